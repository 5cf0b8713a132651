"""Periodic work on streams: heartbeats, access checks, disconnecting stalled subscribers."""

from __future__ import annotations

import time

from backend.streams.dispatcher import Dispatcher
from backend.streams.encodings import SSE, WEBSOCKET, Encoding
from backend.streams.intervals import Intervals


class Housekeeping:
    """Timers of all streams, polled by the hub's thread under the hub's lock."""

    def __init__(self, dispatcher: Dispatcher, intervals: Intervals) -> None:
        self._dispatcher = dispatcher
        self._intervals = intervals
        now = time.monotonic()
        self._next_heartbeats = {
            encoding: now + self._heartbeat_s(encoding) for encoding in (SSE, WEBSOCKET)
        }
        self._next_access_check = now + intervals.access_check_s

    def run_due(self) -> None:
        """Run the timers that are due."""
        now = time.monotonic()
        self._disconnect_stalled(now)
        if now >= self._next_access_check:
            self._next_access_check = now + self._intervals.access_check_s
            self._check_access()
        for encoding, due in self._next_heartbeats.items():
            if now >= due:
                self._next_heartbeats[encoding] = now + self._heartbeat_s(encoding)
                self._dispatcher.send_heartbeats(encoding)

    def _disconnect_stalled(self, now: float) -> None:
        for subscriber in self._dispatcher.lagging():
            is_closing = subscriber.closing_since is not None
            timeout_s = (
                self._intervals.close_timeout_s if is_closing else self._intervals.stall_timeout_s
            )
            if now - (subscriber.closing_since or subscriber.last_write_at) > timeout_s:
                self._dispatcher.disconnect(subscriber)

    def _check_access(self) -> None:
        for subscriber in self._dispatcher.subscribers():
            reason = subscriber.owner.end_reason()
            if reason is not None:
                self._dispatcher.end(subscriber, reason)

    def _heartbeat_s(self, encoding: Encoding) -> float:
        return self._intervals.ping_s if encoding is WEBSOCKET else self._intervals.heartbeat_s
