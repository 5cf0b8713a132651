"""Sample orders, trades, intents and events, equal except for what a test sets."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from backend.ports.journal import Intent, JournalEvent, StoredOrder, StoredTrade
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.orders import Fee, Order
from backend.schemas.trades import Trade

NOW = datetime(2026, 1, 20, 10, 0, 0, 123000, tzinfo=timezone.utc)
ACCOUNT = "sandbox:paper"
OTHER = "sandbox:real"
ASKED = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.001"}


def order(
    number: int, *, account: str = ACCOUNT, tracking: OrderTracking = UNTRACKED, **fields: Any
) -> StoredOrder:
    """Return the order o<number>, in that place."""
    values: dict[str, Any] = {
        "id": f"o{number}",
        "client_order_id": None,
        "exchange": "sandbox",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "status": "open",
        "quantity": Decimal("0.001"),
        "filled": Decimal(0),
        "remaining": Decimal("0.001"),
        "price": Decimal("60000.25"),
        "stop_price": None,
        "average_price": None,
        "cost": Decimal(0),
        "fee": None,
        "reduce_only": False,
        "tag": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return StoredOrder(number, account, Order(**{**values, **fields}), tracking)


def trade(
    number: int,
    changes: dict[str, Decimal] | None = None,
    *,
    account: str = ACCOUNT,
    **fields: Any,
) -> StoredTrade:
    """Return the trade t<number> of the order o<number>, in that place."""
    values: dict[str, Any] = {
        "id": f"t{number}",
        "order_id": f"o{number}",
        "client_order_id": None,
        "exchange": "sandbox",
        "symbol": "BTC/USDT",
        "side": "buy",
        "price": Decimal("60000.25"),
        "quantity": Decimal("0.001"),
        "cost": Decimal("60.00025"),
        "fee": Fee(cost=Decimal("0.06000025"), currency="USDT"),
        "liquidity": "taker",
        "executed_at": NOW,
    }
    return StoredTrade(number, account, Trade(**{**values, **fields}), changes or {})


def intent(number: int, *keys: str, **fields: Any) -> Intent:
    """Return the intent of the order o<number>."""
    values: dict[str, Any] = {
        "order_id": f"o{number}",
        "user_id": "bob",
        "keys": keys,
        "fingerprint": "f" * 64,
        "request": ASKED,
        "account": ACCOUNT,
        "created_at": NOW,
    }
    return Intent(**{**values, **fields})


def event(number: int, topic: str = "orders") -> JournalEvent:
    """Return an event that tells of the order o<number>."""
    data = b'{"order":{"id":"o%d"}}' % number
    return JournalEvent(topic, "order_created", f"o{number}", "BTC/USDT", data, False)
