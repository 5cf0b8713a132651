"""What can go wrong, by name; an `ApiError` is an answer of the server, in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class ClientError(Exception):
    """Base of all errors of this package."""


class ConnectionFailed(ClientError):
    """The server could not be reached, or the connection broke."""


class ApiError(ClientError):
    """The server refused.

    `type` is what to decide by (`insufficient_funds`), `status` the HTTP status,
    `fields` names refused fields and what they take, `retry_after_s` says when to try again.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after_s: float | None
    ) -> None:
        self.status = status
        self.type = str(problem.get("type") or "unknown")
        self.title = str(problem.get("error") or f"HTTP {status}")
        self.details: str | None = problem.get("details")
        self.fields = {row["field"]: row["message"] for row in problem.get("fields") or ()}
        self.request_id: str | None = problem.get("request_id")
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.title}: {self.details or self.fields or self.type}")


class InvalidRequest(ApiError):
    """400, 405, 413, 415: the request itself is wrong; see `fields`."""


class AuthenticationFailed(ApiError):
    """401: nobody is logged in, or no longer."""


class Forbidden(ApiError):
    """403: the user's role, or the API key, lacks the scope."""


class NotFound(ApiError):
    """404: no such order, trade or address."""


class Conflict(ApiError):
    """409: the request contradicts the present state."""


class Refused(ApiError):
    """422: understood and refused; `type` names the rule."""


class RateLimited(ApiError):
    """429: too many requests; try again after `retry_after_s`."""


class Unavailable(ApiError):
    """5xx: the bot, the exchange or the server cannot do it now."""


class OrderStateUnknown(Unavailable):
    """504: the exchange has not told whether it has the order.

    Look it up by its client order id, or send it again with the same key.
    """


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationFailed,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Refused,
    429: RateLimited,
}


def error_of(answer: httpx.Response) -> ApiError:
    """Turn an answer that is none into its error; proxies' own pages too."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    found = problem if isinstance(problem, dict) else {}
    return _class_of(answer.status_code, found)(answer.status_code, found, _retry_after_s(answer))


def _class_of(status: int, problem: Mapping[str, Any]) -> type[ApiError]:
    if problem.get("type") == "order_state_unknown":
        return OrderStateUnknown
    return _BY_STATUS.get(status, Unavailable if status >= 500 else InvalidRequest)


def _retry_after_s(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
