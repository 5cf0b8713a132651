"""Logging: JSON lines in BACKEND_HOME/logs or other targets, our own events readable on stderr too.

Secrets are masked on the way in, from any logger. OctoBot logs much through the
standard library; its lines go to the file only.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import orjson
import structlog

from backend.errors import InternalError
from backend.observability.log_targets import LogTarget
from backend.observability.masking import mask_text, mask_value

ACCESS = "access"
AUDIT = "audit"
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_ROTATED_FILES = 14
LONGEST_PATH = 300
_LONGEST_EVENT = 16 * 1024
_ALREADY_MASKED = frozenset({ACCESS, AUDIT})  # on arrival, field by field
_FLUSH_S = 0.5
_BUFFER_BYTES = 256 * 1024  # the thread whose line fills it waits for the disk
_WRITE_ERRORS = (OSError, ValueError)  # no room, or closed while a line was still to come


Listener = Callable[[str, str, str], None]


class LogFile:
    """Log file to which many threads append; flushed twice a second, a new one each day (UTC)
    and whenever it is full; `backend.1.log` is the newest of the rotated ones.

    Lines that do not fit on a full disk are lost: logging never stops the program.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("ab", _BUFFER_BYTES)
        self._day = _day(path.stat().st_mtime)
        self.flush()  # the day may have ended while nothing was written
        self._closed = threading.Event()
        self._flusher = threading.Thread(target=self._flush_forever, name="logs", daemon=True)
        self._flusher.start()

    def write(self, line: bytes) -> None:
        """Append one line."""
        try:
            with self._lock:
                self._file.write(line + b"\n")
        except _WRITE_ERRORS:
            pass

    def flush(self) -> None:
        """Flush everything to the operating system; begin a new file when it is time."""
        with self._lock, contextlib.suppress(*_WRITE_ERRORS):
            self._file.flush()
            today = _day(time.time())
            if self._file.tell() > (0 if today != self._day else MAX_FILE_BYTES):
                self._rotate()
            self._day = today

    def close(self) -> None:
        """Flush and close."""
        self._closed.set()
        self._flusher.join()
        self.flush()
        with contextlib.suppress(*_WRITE_ERRORS):
            self._file.close()

    def _flush_forever(self) -> None:
        while not self._closed.wait(_FLUSH_S):
            self.flush()

    def _rotate(self) -> None:
        for number in range(MAX_ROTATED_FILES - 1, 0, -1):
            older = self._path.with_suffix(f".{number}.log")
            if older.exists():
                older.replace(self._path.with_suffix(f".{number + 1}.log"))
        self._path.replace(self._path.with_suffix(".1.log"))
        full, self._file = self._file, self._path.open("ab", _BUFFER_BYTES)
        full.close()


def _day(at: float) -> int:
    return int(at // 86_400)


class EventWriter:
    """Writer of log events: masks them, writes JSON to all targets, our own to the console too."""

    def __init__(
        self, file: LogFile | None, console: TextIO, targets: Sequence[LogTarget] = ()
    ) -> None:
        self._file = file
        self._console = console
        self._targets = targets
        self.listener: Listener | None = None
        self._render = structlog.dev.ConsoleRenderer(colors=console.isatty())

    def write(self, name: str, level: str, event: str, fields: Mapping[str, object]) -> None:
        """Write one event; `exc_info` in its fields is replaced by the traceback's text."""
        line: dict[str, object] = {"timestamp": _now(), "level": level, "logger": name}
        if name in _ALREADY_MASKED:
            line["event"] = event
            line.update(fields)
        else:
            text = line["event"] = mask_text(event, _LONGEST_EVENT)
            if self.listener is not None:
                self.listener(name, level, text)
            line.update((key, mask_value(key, value)) for key, value in fields.items())
            error = line.pop("exc_info", None)
            if error:
                line["exception"] = mask_text(_traceback_text(error))
        json = orjson.dumps(line, default=lambda value: mask_text(repr(value)))
        if self._file is not None:
            self._file.write(json)
        for target in self._targets:
            target.write(line, json)
        if _is_for_console(name, level, line):
            with contextlib.suppress(OSError):
                self._console.write(self._render(None, level, {"event": event, **line}) + "\n")
                self._console.flush()


def _is_for_console(name: str, level: str, line: Mapping[str, object]) -> bool:
    """Return whether to show an event there: requests and OctoBot's lines would bury the others."""
    if name == ACCESS:
        return line["status"] == InternalError.status
    return name.startswith("backend")


def _now() -> str:
    """Return the time in `time_text`'s format; the part above milliseconds is cached."""
    second, fraction = divmod(time.time(), 1)
    return f"{_second_text(second)}.{int(fraction * 1000):03d}Z"


@functools.lru_cache(maxsize=2)
def _second_text(second: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _traceback_text(error: object) -> str:
    if isinstance(error, BaseException):
        found: Any = (type(error), error, error.__traceback__)
    else:
        found = error if isinstance(error, tuple) else sys.exc_info()
    return "".join(traceback.format_exception(*found)).rstrip()


class EventLogger(structlog.BoundLoggerBase):
    """structlog logger that skips processors and calls the writer: a third of their cost."""

    def debug(self, event: str, **fields: object) -> None:
        """Drop the event."""

    def info(self, event: str, **fields: object) -> None:
        """Log a normal event."""
        self._logger("info", event, self._context | fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log a failure that was handled."""
        self._logger("warning", event, self._context | fields)

    def error(self, event: str, **fields: object) -> None:
        """Log a defect or a loss."""
        self._logger("error", event, self._context | fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log a defect with the exception that is being handled."""
        self._logger("error", event, self._context | {"exc_info": True} | fields)


class _StandardHandler(logging.Handler):
    """Handler of the standard library's logging: OctoBot, SQLAlchemy, our own modules."""

    def __init__(self, writer: EventWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        self._writer.write(record.name, record.levelname.lower(), record.getMessage(), fields)


class Logs:
    """The process's logs, set up once by the owner of the process."""

    def __init__(
        self, folder: Path | None, console: TextIO, targets: Sequence[LogTarget] = ()
    ) -> None:
        self._file = None if folder is None else LogFile(folder / "backend.log")
        self._targets = targets
        self._writer = writer = EventWriter(self._file, console, targets)
        self._handler = _StandardHandler(writer)
        logging.getLogger().addHandler(self._handler)
        logging.getLogger().setLevel(logging.INFO)
        structlog.configure(
            wrapper_class=EventLogger,
            logger_factory=lambda name="backend": functools.partial(writer.write, name),
        )

    def set_listener(self, listener: Listener) -> None:
        """Set a callback for later events but requests: it is passed logger, level, masked text."""
        self._writer.listener = listener

    def close(self) -> None:
        """Write the buffered lines and close the file and the other targets."""
        logging.getLogger().removeHandler(self._handler)
        structlog.reset_defaults()
        if self._file is not None:
            self._file.close()
        for target in self._targets:
            target.close()
