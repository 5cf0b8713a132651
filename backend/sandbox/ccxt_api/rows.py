"""Orders and fills as arguments of ccxt's `safe_order` and `safe_trade`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ccxt.base.exchange import Exchange

from backend.sandbox.matching.orders import Fill, Order

Row = dict[str, Any]


def order_row(order: Order) -> Row:
    """Return an order; `info` is filled, as OctoBot takes an empty one for a missing order."""
    request, trigger = order.request, order.request.trigger
    execution = "market" if request.price is None else "limit"
    trigger_price = None if trigger is None else str(trigger.price)
    is_stop = trigger is not None and trigger.kind == "stop_loss"
    return {
        "id": order.id,
        "clientOrderId": request.client_order_id,
        "timestamp": order.created_ms,
        "datetime": Exchange.iso8601(order.created_ms),
        "lastTradeTimestamp": order.fills[-1].time_ms if order.fills else None,
        "lastUpdateTimestamp": order.updated_ms,
        "symbol": request.symbol,
        "type": execution if trigger is None else _triggered_type(trigger.kind, execution),
        "timeInForce": "GTC",
        "side": request.side,
        "reduceOnly": request.reduce_only,
        "price": None if request.price is None else str(request.price),
        "triggerPrice": trigger_price,
        "stopPrice": trigger_price,
        "stopLossPrice": trigger_price if is_stop else None,
        "takeProfitPrice": None if is_stop else trigger_price,
        "amount": str(request.amount),
        "filled": str(order.filled),
        "remaining": str(request.amount - order.filled),
        "cost": str(order.cost),
        "average": str(order.cost / order.filled) if order.filled else None,
        "status": order.status,
        "fee": _fee(order, order.fee) if order.fills else None,
        "trades": [],
        "info": {"orderId": order.id, "status": order.status},
    }


def fill_row(order: Order, fill: Fill) -> Row:
    """Return one execution."""
    return {
        "id": fill.id,
        "order": order.id,
        "clientOrderId": order.request.client_order_id,
        "timestamp": fill.time_ms,
        "datetime": Exchange.iso8601(fill.time_ms),
        "symbol": order.request.symbol,
        "type": "market" if order.request.price is None else "limit",
        "side": order.request.side,
        "takerOrMaker": fill.liquidity,
        "price": str(fill.price),
        "amount": str(fill.amount),
        "fee": _fee(order, fill.fee),
        "info": {"tradeId": fill.id},
    }


def _triggered_type(kind: str, execution: str) -> str:
    """Return OctoBot's type name: it would read `market` as an order that fills at once."""
    return kind if execution == "market" else f"{kind}_limit"


def _fee(order: Order, cost: Decimal) -> Row:
    base, quote = order.request.symbol.split("/")
    if ":" in quote:  # a contract
        return {"cost": float(cost), "currency": quote.split(":")[0]}
    return {"cost": float(cost), "currency": base if order.request.side == "buy" else quote}
