"""The server's log as a topic: what happened where, masked already, never a traceback."""

from __future__ import annotations

import threading
import time

import orjson

from backend.ports.events import Event, EventSink
from backend.schemas.common import time_text, utc_now

MOST_PER_SECOND = 100
_MOST_TEXT = 2000
_SLOTS = 100


class LogTopic:
    """Publishes lines from any thread; a flood of them is cut to so many a second, and counted."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._second = 0
        self._in_second = 0
        self._told = 0

    def take(self, logger: str, level: str, text: str) -> None:
        """Publish one line; what the streams themselves have to say stays out, or it would echo."""
        if logger.startswith("backend.streams"):
            return
        with self._lock:
            second = int(time.monotonic())
            left_out = 0
            if second != self._second:
                left_out = max(0, self._in_second - MOST_PER_SECOND)
                self._second, self._in_second = second, 0
            self._in_second += 1
            if left_out:
                self._publish("backend.logs", "warning", f"{left_out} lines were left out here")
            if self._in_second <= MOST_PER_SECOND:
                self._publish(logger, level, text)

    def _publish(self, logger: str, level: str, text: str) -> None:
        self._told += 1
        data = orjson.dumps(
            {
                "exchange": None,
                "symbol": None,
                "timestamp": time_text(utc_now()),
                "log": {"level": level, "logger": logger, "text": text[:_MOST_TEXT]},
            }
        )
        key = str(self._told % _SLOTS)
        self._sink.publish(Event("logs", "log_line", key, None, data, data))
