"""Timeouts of HTTP connections, and the expiry of those that exceed one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Timeouts:
    """Deadlines of a connection's phases, in seconds; checked every `sweep_s`."""

    head_s: float = 10.0
    body_s: float = 30.0
    write_s: float = 60.0
    idle_s: float = 75.0
    linger_s: float = 2.0
    sweep_s: float = 1.0


class TimedConnection(Protocol):
    """A connection that must make progress before its deadline, a monotonic time."""

    deadline: float

    def expire(self) -> None:
        """Give up reading, or a stalled response."""


def expire_overdue(connections: Iterable[TimedConnection]) -> None:
    """Expire the connections whose deadline has passed."""
    now = time.monotonic()
    for connection in list(connections):
        if connection.deadline < now:
            connection.expire()
