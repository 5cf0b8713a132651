"""LogTopic: the server's log lines as events, rate-limited; masked already, without tracebacks."""

from __future__ import annotations

import threading
import time

import orjson

from backend.ports.events import Event, EventSink
from backend.schemas.common import time_text, utc_now

MAX_LINES_PER_SECOND = 100
_MAX_TEXT_LENGTH = 2000
_KEYS = 100


class LogTopic:
    """Publishes log lines from any thread; lines beyond the rate limit are counted instead."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._second = 0
        self._in_second = 0
        self._published = 0

    def publish_line(self, logger: str, level: str, text: str) -> None:
        """Publish a line, except those of the streams themselves, which would cause others."""
        if logger.startswith("backend.streams"):
            return
        with self._lock:
            second = int(time.monotonic())
            left_out = 0
            if second != self._second:
                left_out = max(0, self._in_second - MAX_LINES_PER_SECOND)
                self._second, self._in_second = second, 0
            self._in_second += 1
            if left_out:
                self._publish("backend.logs", "warning", f"{left_out} lines were left out here")
            if self._in_second <= MAX_LINES_PER_SECOND:
                self._publish(logger, level, text)

    def _publish(self, logger: str, level: str, text: str) -> None:
        self._published += 1
        data = orjson.dumps(
            {
                "exchange": None,
                "symbol": None,
                "timestamp": time_text(utc_now()),
                "log": {"level": level, "logger": logger, "text": text[:_MAX_TEXT_LENGTH]},
            }
        )
        key = str(self._published % _KEYS)
        self._sink.publish(Event("logs", "log_line", key, None, data, data))
