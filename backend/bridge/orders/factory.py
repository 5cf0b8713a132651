"""From an order as it was asked for to an OctoBot order, checked against every rule."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import octobot_trading.personal_data as personal_data
from octobot_trading.enums import TradeOrderSide, TraderOrderType

from backend.accounting.balances import is_contract
from backend.bridge.octobot.conversion import ZERO
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder, Order

PRICE_TIMEOUT_S = 5
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


def build(manager: Any, order: Order, price: Decimal, *, resting: bool = False) -> Any:
    """Build the OctoBot order, not yet placed, under the id of ours.

    `resting` puts a limit order on the book wherever the market stands.
    """
    limit = None if resting else order.price
    at_once = (
        limit is not None and order.type == "limit" and is_marketable(order.side, limit, price)
    )
    # OctoBot's simulator fills a limit order that crosses the market at its limit
    # price; an exchange fills it at the market's.
    as_market = order.type == "market" or (at_once and manager.is_trader_simulated)
    instance = personal_data.create_order_instance(
        manager.trader,
        TraderOrderType.BUY_MARKET
        if as_market and order.side == "buy"
        else TraderOrderType.SELL_MARKET
        if as_market
        else _kind(manager, order),
        order.symbol,
        price,
        order.quantity,
        price=price if as_market else octobot_price(manager, order, price),
        stop_price=order.stop_price or ZERO,
        order_id=order.id,
        side=TradeOrderSide(order.side) if order.stop_price is not None else None,
        tag=order.tag,
        reduce_only=order.reduce_only,
        # OctoBot has the limit forms trigger below, buys as well
        trigger_above=(order.type, order.side) in TRIGGERS_ABOVE
        if _is_watched_here(manager, order)
        else None,
    )
    instance.exchange_creation_params = exchange_params(manager, order)
    return instance


def exchange_params(manager: Any, order: Order) -> dict[str, Any]:
    """Give real exchanges our id, so that the order can be found when an answer is lost."""
    return {} if manager.is_trader_simulated else {"clientOrderId": order.id}


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


def _kind(manager: Any, order: Order | NewOrder) -> TraderOrderType:
    if order.type == "limit":
        buy = order.side == "buy"
        return TraderOrderType.BUY_LIMIT if buy else TraderOrderType.SELL_LIMIT
    if manager.is_trader_simulated:
        # the limit forms are ours: see paper.py
        is_stop = order.type in _STOPS
        return TraderOrderType.STOP_LOSS if is_stop else TraderOrderType.TAKE_PROFIT
    return {
        "stop_loss": TraderOrderType.STOP_LOSS,
        "stop_limit": TraderOrderType.STOP_LOSS_LIMIT,
        "trailing_stop": TraderOrderType.STOP_LOSS,
        "take_profit": TraderOrderType.TAKE_PROFIT,
        "take_profit_limit": TraderOrderType.TAKE_PROFIT_LIMIT,
    }[order.type]


def octobot_price(manager: Any, order: Order | NewOrder, price: Decimal) -> Decimal:
    """Return what OctoBot takes for an order's price, at this one of the market."""
    if manager.is_trader_simulated or _is_watched_here(manager, order):
        return order.stop_price or order.price or price
    return order.price or order.stop_price or price


def _is_watched_here(manager: Any, order: Order | NewOrder) -> bool:
    """Tell whether a real exchange lacks such an order, so that OctoBot waits for its price."""
    if manager.is_trader_simulated or order.stop_price is None:
        return False
    return not manager.exchange.is_supported_order_type(_kind(manager, order))
