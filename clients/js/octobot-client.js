/**
 * The OctoBot backend in a browser: an ES module without dependencies.
 *
 *     import { OctoBotClient } from "./octobot-client.js";
 *     const client = new OctoBotClient("http://127.0.0.1:8000");
 *     await client.login("admin", "…");
 *     const stream = client.stream({ topics: ["prices", "orders"] });
 *     stream.on("price_update", (price) => console.log(price.symbol, price.price));
 *
 * Amounts are decimal texts: keep them so, or use a decimal library.
 * @module
 */

/** @typedef {{ field: string, message: string }} FieldProblem */

/**
 * An order to place; amounts are texts.
 * @typedef {object} NewOrder
 * @property {string} symbol
 * @property {"buy" | "sell"} side
 * @property {string} type  market, limit, stop_loss, …
 * @property {string} quantity
 * @property {string} [price]
 * @property {string} [stop_price]
 * @property {string} [client_order_id]
 * @property {string} [tag]
 */

/**
 * An order as it stands.
 * @typedef {NewOrder & { id: string, status: string, filled: string, remaining: string,
 *   average_price: string | null, created_at: string, updated_at: string }} Order
 */

/**
 * What a stream is to carry, and after which id it goes on.
 * @typedef {{ topics?: string[], symbols?: string[], after?: string }} StreamOptions
 */

/** @typedef {{ name: string, id: string, data: any }} StreamEvent */

const BASE = "/api/v1";
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const SILENCE_MS = 120_000;
const EARLY_MS = 30_000;
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
  "position_opened",
  "position_updated",
  "position_closed",
  "portfolio_updated",
  "bot_status",
  "evaluator_updated",
  "notification",
  "log_line",
];

/** What the server refused, in its own words; status 0 when it could not be reached. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {any} problem
   * @param {number | null} retryAfter  seconds
   */
  constructor(status, problem, retryAfter = null) {
    super(`${problem.error ?? `HTTP ${status}`}: ${problem.details ?? problem.type ?? "no answer"}`);
    this.name = "ApiError";
    /** @type {number} */
    this.status = status;
    /** What to decide by, such as `insufficient_funds`. @type {string} */
    this.type = problem.type ?? "unknown";
    /** @type {FieldProblem[]} */
    this.fields = problem.fields ?? [];
    /** @type {string | null} */
    this.requestId = problem.request_id ?? null;
    this.retryAfter = retryAfter;
  }
}

/** A server, as one user sees it. */
export class OctoBotClient {
  #base;
  /** @type {{ access: string, refresh: string, endsAt: number } | null} */
  #tokens = null;
  /** @type {Promise<void> | null} */
  #refreshing = null;

  /** @param {string} url  such as https://bot.example.org; by default where the page came from */
  constructor(url = globalThis.location?.origin ?? "") {
    this.#base = url.replace(/\/+$/, "") + BASE;
  }

  /**
   * Log in; the tokens stay in memory and are renewed as long as the page is open.
   * @param {string} username
   * @param {string} password
   * @returns {Promise<any>} the user
   */
  async login(username, password) {
    return this.#take(await this.#send("POST", "/auth/login", { body: { username, password } }));
  }

  /** End the session, here and on the server. */
  async logout() {
    const tokens = this.#tokens;
    this.#tokens = null;
    if (tokens) {
      const headers = { Authorization: `Bearer ${tokens.access}` };
      await this.#send("POST", "/auth/logout", { body: { refresh_token: tokens.refresh }, headers });
    }
  }

  /**
   * Ask for anything, and return the answer's data.
   * @param {string} method
   * @param {string} path  below /api/v1
   * @param {{ body?: object, query?: Record<string, string>, headers?: Record<string, string> }} [options]
   * @returns {Promise<any>}
   */
  async call(method, path, options = {}) {
    return (await this.#authorized(method, path, options)).data;
  }

  /** @returns {Promise<any>} */
  portfolio() {
    return this.call("GET", "/portfolio");
  }

  /** @returns {Promise<any[]>} */
  markets() {
    return this.call("GET", "/markets");
  }

  /**
   * Every item of a list, page by page: `for await (const order of client.list("/orders"))`.
   * @param {string} path
   * @param {Record<string, string>} [query]
   */
  async *list(path, query = {}) {
    let page;
    do {
      const cursor = page?.pagination.next_cursor;
      page = await this.#authorized("GET", path, { query: cursor ? { ...query, cursor } : query });
      yield* page.data;
    } while (page.pagination.next_cursor);
  }

  /**
   * Place an order. With the same key it is placed once, however often this is called.
   * @param {NewOrder} order
   * @param {string} [idempotencyKey]
   * @returns {Promise<Order>}
   */
  createOrder(order, idempotencyKey = randomKey()) {
    const headers = { "Idempotency-Key": idempotencyKey };
    return this.call("POST", "/orders", { body: order, headers });
  }

  /**
   * Change an open order; where the exchange replaces it, the new one comes back.
   * @param {string} id
   * @param {{ quantity?: string, price?: string, stop_price?: string }} change
   * @returns {Promise<Order>}
   */
  async editOrder(id, change) {
    return (await this.call("PATCH", `/orders/${encodeURIComponent(id)}`, { body: change })).order;
  }

  /**
   * Cancel an open order and return it as it ended.
   * @param {string} id
   * @returns {Promise<Order>}
   */
  cancelOrder(id) {
    return this.call("DELETE", `/orders/${encodeURIComponent(id)}`);
  }

  /**
   * Follow what happens, from now on until `close`.
   * @param {StreamOptions} [options]
   * @returns {OctoBotStream}
   */
  stream(options = {}) {
    return new OctoBotStream(this, this.#base, options);
  }

  async #authorized(method, path, options) {
    if (!this.#tokens) throw new ApiError(401, { type: "not_authenticated", error: "Log in first" });
    if (Date.now() > this.#tokens.endsAt) await this.#refresh();
    const ask = () => {
      const headers = { ...options.headers, Authorization: `Bearer ${this.#tokens?.access}` };
      return this.#send(method, path, { ...options, headers });
    };
    try {
      return await ask();
    } catch (error) {
      if (error.status !== 401) throw error;
      await this.#refresh();
      return ask();
    }
  }

  /** Renew the tokens, once for all who wait for it: a refresh token is good for one use. */
  async #refresh() {
    this.#refreshing ??= this.#tradeIn().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  async #tradeIn() {
    if (!this.#tokens) throw new ApiError(401, { type: "not_authenticated", error: "Log in first" });
    const body = { refresh_token: this.#tokens.refresh };
    try {
      this.#take(await this.#send("POST", "/auth/refresh", { body }));
    } catch (error) {
      if (error.status === 401) this.#tokens = null;
      throw error;
    }
  }

  #take({ data }) {
    const life = data.expires_in * 1000;
    this.#tokens = {
      access: data.access_token,
      refresh: data.refresh_token,
      endsAt: Date.now() + Math.max(life - EARLY_MS, life / 2),
    };
    return data.user;
  }

  async #send(method, path, { body, query, headers = {} }) {
    const search = query && Object.keys(query).length ? `?${new URLSearchParams(query)}` : "";
    const sent = body ? { ...headers, "Content-Type": "application/json" } : headers;
    let answer;
    try {
      answer = await fetch(this.#base + path + search, {
        method,
        headers: sent,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
      });
    } catch (error) {
      throw new ApiError(0, { error: "The server cannot be reached", details: error.message });
    }
    const envelope = await answer.json().catch(() => ({}));
    if (answer.ok && envelope.success) return envelope;
    throw new ApiError(answer.status, envelope, Number(answer.headers.get("Retry-After")) || null);
  }
}

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

/** A key that nobody else makes up; `randomUUID` is missing on pages without HTTPS. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
