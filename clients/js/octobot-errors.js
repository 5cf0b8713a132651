/**
 * Errors of the client in octobot-client.js, which exports them.
 * @module
 */

/** @typedef {{ field: string, message: string }} FieldProblem */

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
