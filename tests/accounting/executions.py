"""Builders of executions."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from backend.accounting.decimals import EXACT
from backend.schemas.orders import Fee
from backend.schemas.trades import Trade

START = datetime(2026, 1, 20, 10, 0, tzinfo=timezone.utc)
_numbers = itertools.count(1)


def trade(
    side: str,
    quantity: str | Decimal,
    price: str | Decimal,
    *,
    fee: tuple[str | Decimal, str] | None = None,
    symbol: str = "BTC/USDT",
    cost: str | Decimal | None = None,
    minute: int = 0,
    order_id: str | None = None,
    exchange: str = "sandbox",
) -> Trade:
    number = next(_numbers)
    return Trade(
        id=f"t{number}",
        order_id=order_id or f"o{number}",
        client_order_id=None,
        exchange=exchange,
        symbol=symbol,
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        cost=EXACT.multiply(Decimal(quantity), Decimal(price)) if cost is None else Decimal(cost),
        fee=None if fee is None else Fee(cost=Decimal(fee[0]), currency=fee[1]),
        liquidity="taker",
        executed_at=START + timedelta(minutes=minute),
    )


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)
