"""Construction of orders: from a request to our order, and from that to the OctoBot order."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backend.accounting.balances import is_contract
from backend.bridge.octobot.conversion import ZERO
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder, Order

_ASKED = (
    *("symbol", "side", "type", "quantity", "price", "stop_price"),
    *("reduce_only", "client_order_id", "tag"),
    *("time_in_force", "post_only", "valid_until"),
)


def is_marketable(side: str, limit: Decimal, price: Decimal) -> bool:
    """Return whether a limit order would execute at once at this price."""
    return limit >= price if side == "buy" else limit <= price


def build(
    exchange: Exchange, order: Order, market_price: Decimal, *, takes: bool | None = None
) -> OctoBotOrder:
    """Build the OctoBot order, not yet placed, under the id of ours.

    `takes` says whether a limit order takes liquidity; None: if it crosses the market's price.
    """
    rules = exchange.order_mapping
    crosses = order.type == "limit" and (
        is_marketable(order.side, order.price or market_price, market_price)
        if takes is None
        else takes
    )
    kind = rules.kind(order, is_marketable=crosses)
    built = exchange.orders.build(
        order,
        kind,
        market_price=market_price,
        price=market_price if kind == "market" else rules.price(order, market_price),
        trigger_above=rules.trigger_above(order),
    )
    built.exchange_creation_params = rules.exchange_params(order)
    return built


def new_order(asked: NewOrder, order_id: str, exchange: str) -> Order:
    """Return a new order in its initial state."""
    return _order(order_id, exchange, {name: getattr(asked, name) for name in _ASKED})


def exits_of(asked: NewOrder, entry: Order) -> list[Order]:
    """Return the take profit and the stop loss that the entry's fill will place."""
    side = "sell" if entry.side == "buy" else "buy"
    common = {"symbol": entry.symbol, "side": side, "quantity": entry.quantity, "tag": entry.tag}
    common["reduce_only"] = is_contract(entry.symbol)  # it might open the other side otherwise
    exits = []
    if asked.take_profit is not None:
        exits.append({**common, "type": "limit", "price": asked.take_profit.price})
    if asked.stop_loss is not None:
        kind = "stop_loss" if asked.stop_loss.price is None else "stop_limit"
        exits.append({**common, "type": kind, **asked.stop_loss.model_dump()})
    return [
        _order(str(uuid.uuid4()), entry.exchange, {**fields, "parent_order_id": entry.id})
        for fields in exits
    ]


def _order(order_id: str, exchange: str, fields: Mapping[str, Any]) -> Order:
    now = utc_now()
    start = {
        "client_order_id": None,
        "status": "open",
        "filled": ZERO,
        "remaining": fields["quantity"],
        "price": None,
        "stop_price": None,
        "average_price": None,
        "cost": ZERO,
        "fee": None,
        "reduce_only": False,
        "tag": None,
    }
    return Order.model_validate(
        {
            **start,
            **fields,
            "id": order_id,
            "exchange": exchange,
            "created_at": now,
            "updated_at": now,
        }
    )
