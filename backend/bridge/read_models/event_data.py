"""How an event is written."""

from __future__ import annotations

from backend.schemas.common import time_text, utc_now


def event_data(
    exchange: str | None, symbol: str | None, label: str, json: bytes, interval: str | None = None
) -> bytes:
    """Write an event's data line: where, what, when, and the thing under its name."""
    where = b"null" if exchange is None else b'"%b"' % exchange.encode()
    what = b"null" if symbol is None else b'"%b"' % symbol.encode()
    when = time_text(utc_now()).encode()
    every = b"" if interval is None else b'"interval":"%b",' % interval.encode()
    return b'{"exchange":%b,"symbol":%b,"timestamp":"%b",%b"%b":%b}' % (
        where,
        what,
        when,
        every,
        label.encode(),
        json,
    )
