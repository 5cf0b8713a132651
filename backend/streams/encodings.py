"""Wire encodings of event frames: server-sent events unchanged, or WebSocket messages."""

from __future__ import annotations

import struct
from typing import Protocol

PING = b"\x89\x00"
_TEXT, _CLOSE, _PONG = 0x81, 0x88, 0x8A
_GOING_AWAY, _POLICY_VIOLATION = 1001, 1008


class Encoding(Protocol):
    """Converts event frames, which are composed as server-sent events, to wire bytes."""

    def encode(self, frames: bytes) -> bytes:
        """Encode whole frames."""


class _ServerSentEvents:
    def encode(self, frames: bytes) -> bytes:
        """Return the frames unchanged."""
        return frames


class _WebSocket:
    def encode(self, frames: bytes) -> bytes:
        """Encode each event as a JSON text message, a heartbeat as a ping."""
        return b"".join(_message(frame) for frame in frames.split(b"\n\n"))


SSE: Encoding = _ServerSentEvents()
WEBSOCKET: Encoding = _WebSocket()


def text_message(text: bytes) -> bytes:
    """Build a server's text message, which is not masked (RFC 6455, 5.2)."""
    return _frame(_TEXT, text)


def pong_message(payload: bytes) -> bytes:
    """Build the reply to a ping."""
    return _frame(_PONG, payload)


def close_message(code: int, reason: str = "") -> bytes:
    """Build a close frame."""
    return _frame(_CLOSE, struct.pack("!H", code) + reason.encode()[:123])


def _message(frame: bytes) -> bytes:
    if frame == b":":
        return PING
    fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line)
    if b"event" not in fields:
        return b""
    event_id = b'"id":"%b",' % fields[b"id"] if b"id" in fields else b""
    name, data = fields[b"event"], fields[b"data"]
    message = text_message(b'{"event":"%b",%b"data":%b}' % (name, event_id, data))
    return message + _close_after_end(data) if name == b"end" else message


def _close_after_end(data: bytes) -> bytes:
    code = _GOING_AWAY if b'"server_stopping"' in data else _POLICY_VIOLATION
    return close_message(code)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload
