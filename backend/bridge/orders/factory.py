"""From an order as it was asked for to an OctoBot order, checked against every rule."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backend.accounting.balances import is_contract
from backend.bridge.octobot.conversion import ZERO
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_orders import OrderKind
from backend.bridge.octobot.order import OctoBotOrder
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder, Order

# A stop triggers when the price rises to it for these, and when it falls to it for the others.
TRIGGERS_ABOVE = {
    ("stop_loss", "buy"),
    ("stop_limit", "buy"),
    ("trailing_stop", "buy"),
    ("take_profit", "sell"),
    ("take_profit_limit", "sell"),
}
_ASKED = (
    *("symbol", "side", "type", "quantity", "price", "stop_price"),
    *("reduce_only", "client_order_id", "tag"),
)
_STOPS = frozenset({"stop_loss", "stop_limit", "trailing_stop"})


def is_marketable(side: str, limit: Decimal, price: Decimal) -> bool:
    """Tell whether a limit order would be taken at once at this price."""
    return limit >= price if side == "buy" else limit <= price


def build(
    exchange: Exchange, order: Order, price: Decimal, *, resting: bool = False
) -> OctoBotOrder:
    """Build the OctoBot order, not yet placed, under the id of ours.

    `resting` puts a limit order on the book wherever the market stands.
    """
    limit = None if resting else order.price
    at_once = (
        limit is not None and order.type == "limit" and is_marketable(order.side, limit, price)
    )
    # OctoBot's simulator fills a limit order that crosses the market at its limit
    # price; an exchange fills it at the market's.
    as_market = order.type == "market" or (at_once and exchange.is_paper)
    built = exchange.orders.build(
        order,
        "market" if as_market else _kind(exchange, order),
        market_price=price,
        price=price if as_market else octobot_price(exchange, order, price),
        trigger_above=(order.type, order.side) in TRIGGERS_ABOVE
        if _is_watched_here(exchange, order)
        else None,
    )
    built.exchange_creation_params = exchange_params(exchange, order)
    return built


def exchange_params(exchange: Exchange, order: Order) -> dict[str, Any]:
    """Return the parameter by which a real exchange learns our id: it finds an order by it."""
    return {} if exchange.is_paper else {"clientOrderId": order.id}


def new_order(asked: NewOrder, order_id: str, exchange: str) -> Order:
    """Return an order as it is before anything has happened to it."""
    return _order(order_id, exchange, {name: getattr(asked, name) for name in _ASKED})


def exits_of(asked: NewOrder, entry: Order) -> list[Order]:
    """Return the take profit and the stop loss that the entry's fill will place."""
    side = "sell" if entry.side == "buy" else "buy"
    common = {"symbol": entry.symbol, "side": side, "quantity": entry.quantity, "tag": entry.tag}
    common["reduce_only"] = is_contract(entry.symbol)  # or it might open the other side
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


def _kind(exchange: Exchange, order: Order | NewOrder) -> OrderKind:
    """Return the OctoBot order type of an order that does not go to the market at once."""
    if exchange.is_paper and order.type != "limit":
        # the limit forms are ours: see paper/spot_simulator.py
        return "stop_loss" if order.type in _STOPS else "take_profit"
    # OctoBot has no trailing stop of its own that we use: ours is a stop that we move
    return "stop_loss" if order.type == "trailing_stop" else order.type


def octobot_price(exchange: Exchange, order: Order | NewOrder, price: Decimal) -> Decimal:
    """Return what OctoBot takes for an order's price, at this one of the market."""
    if exchange.is_paper or _is_watched_here(exchange, order):
        return order.stop_price or order.price or price
    return order.price or order.stop_price or price


def _is_watched_here(exchange: Exchange, order: Order | NewOrder) -> bool:
    """Tell whether a real exchange lacks such an order, so that OctoBot waits for its price."""
    if exchange.is_paper or order.stop_price is None:
        return False
    return not exchange.orders.supports(_kind(exchange, order), order.side)
