"""What can go wrong between a client and an exchange, switched on by tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum

from ccxt.base.errors import (
    InsufficientFunds,
    InvalidNonce,
    InvalidOrder,
    NetworkError,
    RateLimitExceeded,
    RequestTimeout,
)


class Fault(Enum):
    """Each raises the ccxt error that a real exchange's client would."""

    TIMEOUT_BEFORE = "the request got lost on its way"
    TIMEOUT_AFTER = "the request was carried out, its answer got lost"
    REJECTION = "the order is refused"
    NO_FUNDS = "the order is said to be unaffordable"
    RATE_LIMIT = "too many requests"
    DISCONNECTION = "the connection breaks before the request is sent"
    CLOCK_SKEW = "the request's timestamp is outside the window"


_ERRORS: dict[Fault, type[Exception]] = {
    Fault.TIMEOUT_BEFORE: RequestTimeout,
    Fault.TIMEOUT_AFTER: RequestTimeout,
    Fault.REJECTION: InvalidOrder,
    Fault.NO_FUNDS: InsufficientFunds,
    Fault.RATE_LIMIT: RateLimitExceeded,
    Fault.DISCONNECTION: NetworkError,
    Fault.CLOCK_SKEW: InvalidNonce,
}


@dataclass
class _Armed:
    fault: Fault
    endpoint: str | None
    times_left: int | None


class Faults:
    """The faults of one exchange. Any thread may call.

    `latency_s` delays every request. With `is_terse` a command is answered with the order's
    id alone, as many exchanges do: how it stands has to be asked for. With `is_rigid` no order
    can be changed: ccxt cancels it then, and creates another.
    """

    def __init__(self) -> None:
        self.latency_s = 0.0
        self.is_terse = False
        self.is_rigid = False
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def arm(self, fault: Fault, endpoint: str | None = None, *, times: int | None = None) -> None:
        """Make requests fail: those to an endpoint such as `create_order`, or all of them.

        So many `times`, or until cleared.
        """
        with self._lock:
            self._armed.append(_Armed(fault, endpoint, times))

    def clear(self) -> None:
        """Let everything work again, at once."""
        with self._lock:
            self._armed.clear()
            self.latency_s = 0.0
            self.is_terse = False
            self.is_rigid = False

    def strike_before(self, endpoint: str) -> None:
        """Raise the error of a fault that hits before the request is carried out."""
        self._strike(endpoint, after=False)

    def strike_after(self, endpoint: str) -> None:
        """Raise the error of a fault that hits when the request was carried out."""
        self._strike(endpoint, after=True)

    def _strike(self, endpoint: str, *, after: bool) -> None:
        with self._lock:
            for armed in self._armed:
                is_after = armed.fault is Fault.TIMEOUT_AFTER
                if is_after is after and armed.endpoint in (None, endpoint):
                    self._use(armed)
                    raise _ERRORS[armed.fault](f"sandbox fault: {armed.fault.value}")

    def _use(self, armed: _Armed) -> None:
        if armed.times_left is not None:
            armed.times_left -= 1
            if armed.times_left == 0:
                self._armed.remove(armed)
