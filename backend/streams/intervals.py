"""Intervals: the periods and timeouts of streams."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intervals:
    """Periods and timeouts of streams, in seconds."""

    heartbeat_s: float = 15.0
    ping_s: float = 30.0  # heartbeat of a WebSocket
    access_check_s: float = 2.0  # between checks of tokens and users
    conflate_after_s: float = 1.0  # lag after which only the latest price of each symbol is sent
    stall_timeout_s: float = 60.0  # without a byte taken: disconnected
    close_timeout_s: float = 1.0  # for an ended stream to take its last event
