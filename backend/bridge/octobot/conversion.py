"""Conversion of OctoBot's orders and trades to our models; no other file knows their keys."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from octobot_trading.enums import ExchangeConstantsOrderColumns as Col
from octobot_trading.enums import FeePropertyColumns, OrderStatus, TradeOrderType

from backend.bridge.octobot.order import RawOrder
from backend.schemas.orders import Fee, Order
from backend.schemas.orders import OrderStatus as Status
from backend.schemas.orders import OrderType as Type
from backend.schemas.trades import Trade

ZERO = Decimal(0)

_TYPES: dict[str, Type] = {
    TradeOrderType.MARKET.value: "market",
    TradeOrderType.LIMIT.value: "limit",
    TradeOrderType.STOP_LOSS.value: "stop_loss",
    TradeOrderType.STOP_LOSS_LIMIT.value: "stop_limit",
    TradeOrderType.CONDITIONAL_MARKET.value: "stop_loss",
    TradeOrderType.CONDITIONAL_LIMIT.value: "stop_limit",
    TradeOrderType.TAKE_PROFIT.value: "take_profit",
    TradeOrderType.TAKE_PROFIT_LIMIT.value: "take_profit_limit",
    TradeOrderType.TRAILING_STOP.value: "trailing_stop",
    TradeOrderType.TRAILING_STOP_LIMIT.value: "trailing_stop",
}
_STATUSES: dict[str, Status] = {
    OrderStatus.PENDING_CREATION.value: "open",
    OrderStatus.OPEN.value: "open",
    OrderStatus.PARTIALLY_FILLED.value: "partially_filled",
    OrderStatus.FILLED.value: "filled",
    OrderStatus.CANCELED.value: "canceled",
    OrderStatus.PENDING_CANCEL.value: "open",
    OrderStatus.CLOSED.value: "filled",
    OrderStatus.EXPIRED.value: "expired",
    OrderStatus.REJECTED.value: "rejected",
}
_WITH_STOP_PRICE = frozenset(
    {"stop_loss", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop"}
)
_ONLY_STOP_PRICE = frozenset({"stop_loss", "take_profit", "trailing_stop"})
_WITH_LIMIT_PRICE = frozenset({"limit", "stop_limit", "take_profit_limit"})


def utc(timestamp_s: float) -> datetime:
    """Return the aware time of a Unix timestamp in seconds."""
    return datetime.fromtimestamp(timestamp_s, timezone.utc)


def decimal_or_none(value: Any) -> Decimal | None:
    """Return a finite decimal, or None for the placeholders that exchanges send for no value."""
    if value is None or value == "":
        return None
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return number if number.is_finite() else None


def order_from_dict(
    raw: RawOrder, exchange: str, now: datetime, before: Order | None, *, paper: bool
) -> Order:
    """Build an order from a row of the Orders channel.

    Type, client id and requested prices are taken from `before` where known: OctoBot
    overwrites an order's price with its fill price.
    """
    kind = before.type if before else _TYPES.get(str(raw[Col.TYPE.value]), "limit")
    price = decimal_or_none(raw[Col.PRICE.value])
    quantity = _amount(raw[Col.AMOUNT.value])
    status = _STATUSES.get(str(raw[Col.STATUS.value]), "unknown")
    filled = quantity if status == "filled" else _amount(raw[Col.FILLED.value])
    if status == "open" and filled:
        # the simulator reports the quantity that it is about to fill; an exchange, the filled one
        done: Status = "filled" if filled >= quantity else "partially_filled"
        filled, status = (ZERO, status) if paper else (filled, done)
    cost = _amount(raw[Col.COST.value]) if filled else ZERO
    return Order(
        id=before.id if before else str(raw[Col.ID.value]),
        client_order_id=before.client_order_id if before else None,
        exchange=exchange,
        symbol=raw[Col.SYMBOL.value],
        side=raw[Col.SIDE.value],
        type=kind,
        status=status,
        quantity=quantity,
        filled=filled,
        remaining=quantity - filled,
        price=_limit_price(raw, kind, price, before),
        stop_price=_stop_price(raw, kind, price, before),
        average_price=cost / filled if filled and cost else (price if filled else None),
        cost=cost,
        fee=fee_from_dict(raw[Col.FEE.value]) if filled else None,
        parent_order_id=before.parent_order_id if before else None,
        reduce_only=before.reduce_only if before else bool(raw[Col.REDUCE_ONLY.value]),
        time_in_force=before.time_in_force if before else "GTC",
        post_only=before.post_only if before else False,
        valid_until=before.valid_until if before else None,
        tag=before.tag if before else raw[Col.TAG.value],
        created_at=before.created_at if before else utc(raw[Col.TIMESTAMP.value]),
        updated_at=now,
    )


def _limit_price(
    raw: RawOrder, kind: Type, price: Decimal | None, before: Order | None
) -> Decimal | None:
    if before is None:
        return price if kind in _WITH_LIMIT_PRICE else None
    edited = kind == "limit" and raw[Col.TYPE.value] == "limit" and not raw[Col.FILLED.value]
    return price if edited else before.price


def _stop_price(
    raw: RawOrder, kind: Type, price: Decimal | None, before: Order | None
) -> Decimal | None:
    if before is None:
        return price if kind in _WITH_STOP_PRICE else None
    is_told_so = _TYPES.get(str(raw[Col.TYPE.value])) == kind  # not as a plain market order
    edited = kind in _ONLY_STOP_PRICE and is_told_so and not raw[Col.FILLED.value]
    return price if edited else before.stop_price


def before_any_fill(order: Order) -> Order:
    """Return the order as it was when it was created, for orders first seen filled."""
    return order.model_copy(
        update={
            "status": "open",
            "filled": ZERO,
            "remaining": order.quantity,
            "average_price": None,
            "cost": ZERO,
            "fee": None,
        }
    )


def trade_from_dict(
    raw: RawOrder, exchange: str, order_id: str, client_order_id: str | None
) -> Trade:
    """Build a trade from a row of the Trades channel."""
    return Trade(
        id=trade_id(raw),
        order_id=order_id,
        client_order_id=client_order_id,
        exchange=exchange,
        symbol=raw[Col.SYMBOL.value],
        side=raw[Col.SIDE.value],
        price=_amount(raw[Col.PRICE.value]),
        quantity=_amount(raw[Col.AMOUNT.value]),
        cost=_amount(raw[Col.COST.value]),
        fee=fee_from_dict(raw[Col.FEE.value]),
        liquidity=raw[Col.TAKER_OR_MAKER.value],
        executed_at=utc(raw[Col.TIMESTAMP.value]),
    )


def trade_id(raw: RawOrder) -> str:
    """Return the exchange's id of a trade: OctoBot assigns new ids to reloaded ones."""
    return str(raw.get(Col.EXCHANGE_TRADE_ID.value) or raw[Col.ID.value])


def trade_of_fill(raw: RawOrder, order: Order) -> Trade:
    """Build the one trade that fills a paper order, from a row of the Orders channel."""
    return Trade(
        id=order.id,
        order_id=order.id,
        client_order_id=order.client_order_id,
        exchange=order.exchange,
        symbol=order.symbol,
        side=order.side,
        price=order.average_price or ZERO,
        quantity=order.filled,
        cost=order.cost,
        fee=order.fee,
        liquidity=raw[Col.TAKER_OR_MAKER.value],
        executed_at=order.updated_at,
    )


def id_of(raw: RawOrder) -> str:
    """Return OctoBot's id of an order: ours, unless OctoBot has loaded it from the exchange."""
    return str(raw[Col.ID.value])


def exchange_id_of(raw: RawOrder) -> str | None:
    """Return the exchange's id of an order, or of the order that a trade filled."""
    exchange_id = raw.get(Col.EXCHANGE_ID.value)
    return str(exchange_id) if exchange_id else None


def order_id_of(raw_trade: RawOrder) -> str:
    """Return OctoBot's id of the order that a trade filled."""
    return str(raw_trade[Col.ORDER_ID.value])


def with_placed_quantity(order: Order, raw: RawOrder) -> Order:
    """Return an expected order with the quantity for which OctoBot has placed it."""
    quantity = raw[Col.AMOUNT.value]
    return order.model_copy(update={"quantity": quantity, "remaining": quantity})


def symbol_of(raw: RawOrder) -> str:
    """Return the symbol of an order or a trade."""
    return str(raw[Col.SYMBOL.value])


def has_filled(raw: RawOrder) -> bool:
    """Return whether an order has filled, at least in part."""
    return bool(raw[Col.FILLED.value])


def is_execution(raw_trade: RawOrder) -> bool:
    """Return whether a trade is a fill: OctoBot also stores one for a canceled order."""
    return raw_trade[Col.STATUS.value] in (
        OrderStatus.FILLED.value,
        OrderStatus.CLOSED.value,
    ) and bool(raw_trade[Col.AMOUNT.value])


def fee_from_dict(raw: dict[str, Any] | None) -> Fee | None:
    """Build a fee; None while it is unknown."""
    if not raw:
        return None
    cost = decimal_or_none(raw.get(FeePropertyColumns.COST.value))
    currency = raw.get(FeePropertyColumns.CURRENCY.value)
    return Fee(cost=cost, currency=currency) if cost is not None and currency else None


def _amount(value: Any) -> Decimal:
    return decimal_or_none(value) or ZERO
