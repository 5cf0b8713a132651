/**
 * The OctoBot backend in a browser: the module that pages import.
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

import { ApiError } from "./octobot-errors.js";
import { OctoBotStream } from "./octobot-stream.js";

export { ApiError, OctoBotStream };

/** @typedef {import("./octobot-stream.js").StreamOptions} StreamOptions */

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
 * @property {"GTC" | "IOC" | "FOK"} [time_in_force]
 * @property {boolean} [post_only]
 * @property {string} [valid_until]
 */

/**
 * An order as it stands.
 * @typedef {NewOrder & { id: string, status: string, filled: string, remaining: string,
 *   average_price: string | null, created_at: string, updated_at: string }} Order
 */

const BASE = "/api/v1";
const EARLY_MS = 30_000;

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

/** A key that nobody else makes up; `randomUUID` is missing on pages without HTTPS. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
