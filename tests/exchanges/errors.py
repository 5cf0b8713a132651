"""Errors that the offline exchange raises when it is told to."""

from __future__ import annotations

import builtins

import ccxt
from ccxt.base.errors import OnMaintenance, RateLimitExceeded

from tests.exchanges.state import State

PARSER_ERRORS = ("TypeError", "KeyError", "IndexError", "ValueError", "AttributeError")
"""What ccxt's parsers raise when an answer has another shape than they expect."""


def ccxt_errors() -> list[str]:
    """Return the names of all error classes that ccxt has."""
    found, left = [], [ccxt.BaseError]
    while left:
        error = left.pop()
        found.append(error.__name__)
        left += error.__subclasses__()
    return sorted(set(found))


def raise_unavailable(state: State) -> None:
    """Raise what every request meets while the exchange takes none."""
    if state.behavior.maintenance:
        raise OnMaintenance("offline system is under maintenance")
    if state.behavior.rate_limited:
        raise RateLimitExceeded("offline too many requests")


def failure_of(state: State, endpoint: str, *, after: bool) -> Exception | None:
    """Return the error of a failure that concerns a request, and count it."""
    for failure in state.failures:
        if failure.after is after and failure.endpoint in (None, endpoint):
            if failure.times is not None:
                failure.times -= 1
                if failure.times == 0:
                    state.failures.remove(failure)
            error = getattr(ccxt, failure.error, None) or getattr(builtins, failure.error)
            return error(f"offline {failure.error} {'after' if after else 'before'} {endpoint}")
    return None
