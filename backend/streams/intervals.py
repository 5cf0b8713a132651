"""Intervals of the streams' periodic work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intervals:
    """What streams do by the clock, in seconds."""

    heartbeat_s: float = 15.0
    ping_s: float = 30.0  # between the heartbeats of a socket
    check_s: float = 2.0  # between looks at whether tokens are still good
    slow_s: float = 1.0  # behind for so long: gets the newest prices only
    stalled_s: float = 60.0  # took nothing for so long: closed
    farewell_s: float = 1.0  # time for an ended stream to take its last event
