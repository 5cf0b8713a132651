"""What streams do by the clock: heartbeats, looks at tokens, an end for who takes nothing."""

from __future__ import annotations

import time

from backend.streams.dispatcher import Dispatcher
from backend.streams.encodings import SSE, WEBSOCKET, Encoding
from backend.streams.intervals import Intervals


class Housekeeping:
    """Keeps the time of all streams. Used by whoever has the hub's turn."""

    def __init__(self, delivery: Dispatcher, pace: Intervals) -> None:
        self._delivery = delivery
        self._pace = pace
        now = time.monotonic()
        self._next_beats = {form: now + self._pause_s(form) for form in (SSE, WEBSOCKET)}
        self._next_check = now + pace.check_s

    def keep_time(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        for client in self._delivery.lagging():
            ended = client.ended_at is not None
            patience_s = self._pace.farewell_s if ended else self._pace.stalled_s
            if now - (client.ended_at or client.took_at) > patience_s:
                self._delivery.drop(client)
        if now >= self._next_check:
            self._next_check = now + self._pace.check_s
            self._check_access()
        for form, due in self._next_beats.items():
            if now >= due:
                self._next_beats[form] = now + self._pause_s(form)
                self._delivery.send_heartbeats(form)

    def _check_access(self) -> None:
        for client in self._delivery.clients():
            reason = client.holder.lost_access()
            if reason is not None:
                self._delivery.end(client, reason)

    def _pause_s(self, form: Encoding) -> float:
        return self._pace.ping_s if form is WEBSOCKET else self._pace.heartbeat_s
