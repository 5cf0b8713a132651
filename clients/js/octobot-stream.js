/**
 * Event stream of the client in octobot-client.js, which exports it.
 * @module
 */

import { ApiError } from "./octobot-errors.js";

/** @typedef {import("./octobot-client.js").OctoBotClient} OctoBotClient */

/**
 * What a stream is to carry, and after which id it goes on.
 * @typedef {{ topics?: string[], symbols?: string[], after?: string }} StreamOptions
 */

/** @typedef {{ name: string, id: string, data: any }} StreamEvent */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const SILENCE_MS = 120_000;
const EVENTS = [
  "snapshot",
  "reset",
  "end",
  "price_update",
  "candle",
  "order_book_updated",
  "order_created",
  "order_updated",
  "order_filled",
  "order_canceled",
  "trade",
  "trade_replaced",
  "position_opened",
  "position_updated",
  "position_closed",
  "portfolio_updated",
  "bot_status",
  "evaluator_updated",
  "notification",
  "log_line",
];

/**
 * Events of a server, each once and in order, across lost connections and restarts.
 *
 * Every connection takes a ticket of its own, since EventSource cannot send a header;
 * after a failure it waits, longer each time. `snapshot` events replace a topic, after a
 * `reset` they follow. "open", "closed" and "error" tell of the connection itself; an
 * "error" whose `fatal` is true ends the stream.
 */
export class OctoBotStream {
  #client;
  #base;
  #options;
  /** @type {Map<string, Set<(data: any, event: StreamEvent) => void>>} */
  #listeners = new Map();
  /** @type {EventSource | null} */
  #source = null;
  #timer = 0;
  #failures = 0;
  #closed = false;

  /**
   * Use `client.stream()`.
   * @param {OctoBotClient} client
   * @param {string} base
   * @param {StreamOptions} options
   */
  constructor(client, base, options) {
    this.#client = client;
    this.#base = base;
    this.#options = options;
    /** Where to go on another time: pass it as `after`. @type {string} */
    this.lastId = options.after ?? "";
    queueMicrotask(() => this.#open()); // listeners are added first
  }

  /**
   * Call a function with each event of a name, or with all by "*".
   * @param {string} name
   * @param {(data: any, event: StreamEvent) => void} listener
   * @returns {() => void} takes it off again
   */
  on(name, listener) {
    const found = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, found.add(listener));
    return () => found.delete(listener);
  }

  /** End it. */
  close() {
    this.#closed = true;
    this.#drop();
  }

  async #open() {
    if (this.#closed) return;
    try {
      const { ticket } = await this.#client.call("POST", "/stream/ticket");
      if (!this.#closed) this.#connect(ticket);
    } catch (error) {
      this.#fail(error);
    }
  }

  #connect(ticket) {
    const { topics, symbols } = this.#options;
    const query = new URLSearchParams({ ticket });
    if (topics) query.set("topics", topics.join(","));
    if (symbols) query.set("symbols", symbols.map((symbol) => symbol.replace("/", "-")).join(","));
    if (this.lastId) query.set("after", this.lastId);
    const source = (this.#source = new EventSource(`${this.#base}/stream?${query}`));
    source.onopen = () => {
      this.#watch();
      this.#tell("open", {});
    };
    // the browser would come back with the ticket that is spent
    source.onerror = () => source === this.#source && this.#fail(new ApiError(0, {}));
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#hear(name, event));
  }

  #hear(name, event) {
    if (event.target !== this.#source) return;
    const data = JSON.parse(event.data);
    if (name === "end") return this.#reopen(data.reason === "server_stopping");
    this.#failures = 0;
    this.#watch();
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.#tell(name, data);
  }

  /** Come back after a while without a word: heartbeats are not shown to pages. */
  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#reopen(false), SILENCE_MS);
  }

  #fail(error) {
    const fatal = [400, 401, 403].includes(error.status);
    this.#tell("error", Object.assign(error, { fatal }));
    if (fatal) this.close();
    else this.#reopen(true, error.retryAfter);
  }

  #reopen(afterFailure, seconds = null) {
    this.#drop();
    if (this.#closed) return;
    this.#failures = afterFailure ? this.#failures + 1 : 0;
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 10));
    // some chance in it: not all pages at the same moment
    const pause = afterFailure ? (seconds ? seconds * 1000 : longest * (0.5 + Math.random() / 2)) : 0;
    this.#timer = setTimeout(() => this.#open(), pause);
  }

  #drop() {
    clearTimeout(this.#timer);
    if (!this.#source) return;
    this.#source.close();
    this.#source = null;
    this.#tell("closed", {});
  }

  #tell(name, data) {
    const event = { name, id: this.lastId, data };
    for (const key of [name, "*"]) {
      for (const listener of this.#listeners.get(key) ?? []) listener(data, event);
    }
  }
}
