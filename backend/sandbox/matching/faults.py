"""Fault injection: errors, lost responses and latency of the sandbox exchange, for tests."""

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
    """Injectable faults; each raises the ccxt error that a real exchange's client would."""

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
class _InjectedFault:
    fault: Fault
    endpoint: str | None
    times_left: int | None


class Faults:
    """Injected faults of one exchange. Thread-safe.

    `latency_s` delays every request. With `answers_id_only` responses to commands
    contain only the order's id, as at many exchanges: its state has to be fetched. With
    `is_edit_unsupported` ccxt edits orders by cancelling and creating them.
    """

    def __init__(self) -> None:
        self.latency_s = 0.0
        self.answers_id_only = False
        self.is_edit_unsupported = False
        self._lock = threading.Lock()
        self._injected: list[_InjectedFault] = []

    def inject(
        self, fault: Fault, endpoint: str | None = None, *, times: int | None = None
    ) -> None:
        """Make requests to an endpoint, such as `create_order`, or to all of them fail.

        That many `times`, or until `clear`.
        """
        with self._lock:
            self._injected.append(_InjectedFault(fault, endpoint, times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._injected.clear()
            self.latency_s = 0.0
            self.answers_id_only = False
            self.is_edit_unsupported = False

    def raise_before(self, endpoint: str) -> None:
        """Raise the error of a fault that occurs before the request is executed."""
        self._raise_injected(endpoint, after=False)

    def raise_after(self, endpoint: str) -> None:
        """Raise the error of a fault that occurs after the request was executed."""
        self._raise_injected(endpoint, after=True)

    def _raise_injected(self, endpoint: str, *, after: bool) -> None:
        with self._lock:
            for injected in self._injected:
                is_after = injected.fault is Fault.TIMEOUT_AFTER
                if is_after is after and injected.endpoint in (None, endpoint):
                    self._count_use(injected)
                    raise _ERRORS[injected.fault](f"sandbox fault: {injected.fault.value}")

    def _count_use(self, injected: _InjectedFault) -> None:
        if injected.times_left is not None:
            injected.times_left -= 1
            if injected.times_left == 0:
                self._injected.remove(injected)
