"""What a trade does to balances, and how an event is written."""

from __future__ import annotations

from decimal import Decimal

from backend.bridge.convert import ZERO
from backend.schemas.common import time_text, utc_now
from backend.schemas.trades import Trade


def balance_changes(trade: Trade) -> dict[str, Decimal]:
    """Return what a spot trade does to the account's totals: quantity, cost and fee."""
    base, quote = trade.symbol.split(":")[0].split("/")
    sign = 1 if trade.side == "buy" else -1
    changes = {base: sign * trade.quantity, quote: -sign * trade.cost}
    if trade.fee is not None:
        changes[trade.fee.currency] = changes.get(trade.fee.currency, ZERO) - trade.fee.cost
    return changes


def event_data(exchange: str | None, symbol: str | None, label: str, json: bytes) -> bytes:
    """Write an event's data line: where, what, when, and the thing under its name."""
    where = b"null" if exchange is None else b'"%b"' % exchange.encode()
    what = b"null" if symbol is None else b'"%b"' % symbol.encode()
    when = time_text(utc_now()).encode()
    return b'{"exchange":%b,"symbol":%b,"timestamp":"%b","%b":%b}' % (
        where,
        what,
        when,
        label.encode(),
        json,
    )
