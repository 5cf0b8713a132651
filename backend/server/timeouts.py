"""Deadlines of one HTTP connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """Deadlines of a connection's phases, in seconds; checked every `sweep_s`."""

    head_s: float = 10.0
    body_s: float = 30.0
    write_s: float = 60.0
    idle_s: float = 75.0
    linger_s: float = 2.0
    sweep_s: float = 1.0
