"""Log targets beside the file: JSON lines on stdout, and syslog (RFC 5424) over UDP or a socket.

Each has a bounded queue and a thread of its own: a target that is slow or away holds up neither
requests nor the bot. Lines that its queue has no room for are lost, and counted.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import socket
import threading
import time
from collections.abc import Mapping
from typing import Protocol

import orjson

MOST_QUEUED = 10_000
LONGEST_MESSAGE = 8192
_CLOSES_WITHIN_S = 2.0
_RETRY_S = 0.5
_SEND_TIMEOUT_S = 1.0
_DAEMON_FACILITY = 3
_SEVERITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_NOT_PRINTABLE = re.compile(r"[^!-~]")


class Destination(Protocol):
    """Sends one line at a time, and may block; raises OSError while it cannot.

    A line has `timestamp`, `level`, `logger`, `event` and other fields, all of them masked.
    """

    def encode(self, line: Mapping[str, object], json: bytes) -> bytes:
        """Return what is sent for a line."""

    def send(self, message: bytes) -> None:
        """Send a message."""

    def close(self) -> None:
        """Close the connection."""


class LogTarget:
    """Bounded queue of lines before a destination, emptied by a thread."""

    def __init__(self, destination: Destination, name: str) -> None:
        self._destination = destination
        self._queue: queue.Queue[bytes | None] = queue.Queue(MOST_QUEUED)
        self._lost = 0
        self._closing_until = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"logs-{name}", daemon=True)
        self._thread.start()

    def write(self, line: Mapping[str, object], json: bytes) -> None:
        """Queue a line, given with its JSON; never waits."""
        try:
            self._queue.put_nowait(self._destination.encode(line, json))
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Send what is queued, for a moment; then give up."""
        self._closing_until = time.monotonic() + _CLOSES_WITHIN_S
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(_CLOSES_WITHIN_S + _RETRY_S)
        if not self._thread.is_alive():
            self._destination.close()

    def _run(self) -> None:
        while time.monotonic() < self._closing_until:
            message = self._queue.get()
            if message is None:
                return
            self._send(message)
            lost, self._lost = self._lost, 0
            if lost:
                line = _line_of_lost(lost)
                self._send(self._destination.encode(line, orjson.dumps(line)))

    def _send(self, message: bytes) -> None:
        """Send a message, once the destination takes it."""
        while time.monotonic() < self._closing_until:
            try:
                self._destination.send(message)
            except OSError:
                time.sleep(_RETRY_S)
            else:
                return


class StdoutDestination:
    """Lines of JSON on a file descriptor, past Python's buffer: its lock could hold up an exit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def encode(self, _line: Mapping[str, object], json: bytes) -> bytes:
        """Return the line's JSON."""
        return json + b"\n"

    def send(self, message: bytes) -> None:
        """Write it whole; a closed pipe loses it."""
        with contextlib.suppress(BrokenPipeError):
            while message:
                message = message[os.write(self._descriptor, message) :]

    def close(self) -> None:
        """Do nothing: the descriptor belongs to the process."""


class SyslogDestination:
    """Datagrams of RFC 5424 with the line's JSON as message, to a Unix socket or over UDP.

    `address` is a path or `host:port`, resolved anew for each connection.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        host = _NOT_PRINTABLE.sub("", socket.gethostname())[:255] or "-"
        self._origin = f"{host} octobot-backend {os.getpid()}"

    def encode(self, line: Mapping[str, object], json: bytes) -> bytes:
        """Return the datagram of a line; a long line is cut, and says so."""
        if len(json) > LONGEST_MESSAGE:
            json = orjson.dumps(_cut(line))
        priority = _DAEMON_FACILITY * 8 + _SEVERITIES.get(str(line["level"]), 6)
        message_id = _NOT_PRINTABLE.sub("", str(line["logger"]))[:32] or "-"
        head = f"<{priority}>1 {line['timestamp']} {self._origin} {message_id} - "
        return head.encode() + json

    def send(self, message: bytes) -> None:
        """Send a datagram; the connection is opened anew after a failure."""
        try:
            if self._socket is None:
                self._socket = _connect(self._address)
            self._socket.send(message)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()


def _connect(address: str) -> socket.socket:
    if address.startswith("/"):
        family, where = socket.AF_UNIX, address
        found: tuple[socket.AddressFamily, str | tuple[object, ...]] = (family, where)
    else:
        host, _, port = address.rpartition(":")
        first = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        found = (first[0], first[4])
    opened = socket.socket(found[0], socket.SOCK_DGRAM)
    try:
        opened.settimeout(_SEND_TIMEOUT_S)
        opened.connect(found[1])
    except OSError:
        opened.close()
        raise
    return opened


def _cut(line: Mapping[str, object]) -> dict[str, object]:
    """Return the beginning of a long line's event and the end of its traceback."""
    kept = {name: line[name] for name in ("timestamp", "level", "logger")}
    kept["event"] = str(line["event"])[:1000]
    if "exception" in line:
        kept["exception"] = str(line["exception"])[-1000:]
    return {**kept, "cut": True}


def _line_of_lost(count: int) -> dict[str, object]:
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    event = f"{count} log lines were lost: the target is too slow or was away"
    return {"timestamp": now, "level": "warning", "logger": "backend.logs", "event": event}
