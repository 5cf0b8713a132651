"""Serialization of an event's data: the JSON that stream subscribers receive."""

from __future__ import annotations

from backend.observability.masking import mask_text
from backend.schemas.common import time_text, utc_now

_MAX_TEXT = 2000


def event_data(
    exchange: str | None, symbol: str | None, label: str, json: bytes, interval: str | None = None
) -> bytes:
    """Return an event's JSON: exchange, symbol and time, and `json` under its label."""
    exchange_json = b"null" if exchange is None else b'"%b"' % exchange.encode()
    symbol_json = b"null" if symbol is None else b'"%b"' % symbol.encode()
    interval_json = b"" if interval is None else b'"interval":"%b",' % interval.encode()
    return b'{"exchange":%b,"symbol":%b,"timestamp":"%b",%b"%b":%b}' % (
        exchange_json,
        symbol_json,
        time_text(utc_now()).encode(),
        interval_json,
        label.encode(),
        json,
    )


def masked_text(text: object) -> str:
    """Return a text of OctoBot for an event: secrets masked, length limited."""
    return mask_text(str(text), _MAX_TEXT)[:_MAX_TEXT]
