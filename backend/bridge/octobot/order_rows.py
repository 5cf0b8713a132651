"""Orders as an exchange tells them: ccxt's unified rows, read before OctoBot changes them."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.bridge.octobot.trading_rules import contract_size as size_of_contract
from backend.schemas.orders import Fee
from backend.schemas.orders import OrderStatus as Status
from backend.schemas.orders import OrderType as Type

_ONE_ROW = ("create_order", "edit_order", "cancel_order", "fetch_order")
_LISTS = (
    *("fetch_open_orders", "fetch_orders"),
    *("fetch_closed_orders", "fetch_canceled_orders"),
)
_STATUSES: Mapping[object, Status] = {
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "cancelled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}
_TRIGGERS: tuple[tuple[str, Type | None], ...] = (
    ("stopLossPrice", "stop_loss"),
    ("takeProfitPrice", "take_profit"),
    ("triggerPrice", None),
    ("stopPrice", None),
)
_WITH_LIMIT: Mapping[Type, Type] = {"stop_loss": "stop_limit", "take_profit": "take_profit_limit"}
_PENDING = "canceling"
_IDS_KEPT = 1_000
_ENDED = frozenset({"filled", "canceled", "expired", "rejected"})


class Condition(NamedTuple):
    """The trigger of a conditional order; exchanges tell the type of its execution beside it."""

    type: Type
    stop_price: Decimal

    @property
    def has_limit(self) -> bool:
        """Whether the triggered order is a limit order."""
        return self.type in ("stop_limit", "take_profit_limit")


class ToldOrder(NamedTuple):
    """Order row of an exchange; quantities are in base, None where the exchange names none."""

    exchange_id: str
    symbol: str | None
    status: Status
    filled: Decimal | None
    average: Decimal | None
    fees: tuple[Fee, ...] = ()
    condition: Condition | None = None

    @property
    def is_final(self) -> bool:
        """Whether the order has ended, and how much of it was executed is told."""
        return self.status in _ENDED and self.filled is not None


Listener = Callable[[ToldOrder], None]


def observe_orders(
    manager: Any, listener: Listener, market_price: Callable[[str], Decimal | None]
) -> None:
    """Call `listener` for each order that the client returns, and correct its row for OctoBot.

    A row without a status that is known gets the one that follows from its quantities. One
    that is told as closed, but not executed whole, is a canceled one: OctoBot would take it
    for filled.
    """
    client, canceled = manager.exchange.connector.client, _RecentIds()
    for name in (*_ONE_ROW, *_LISTS):
        if hasattr(client, name):  # ccxt's base class lacks some
            setattr(client, name, _observed(client, name, listener, canceled, market_price))


class _RecentIds:
    """Ids of the orders whose cancel the exchange has accepted, the newest ones."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, exchange_id: object) -> None:
        self._ids[str(exchange_id)] = None
        if len(self._ids) > _IDS_KEPT:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, exchange_id: object) -> bool:
        return str(exchange_id) in self._ids


def _observed(
    client: Any,
    name: str,
    listener: Listener,
    canceled: _RecentIds,
    market_price: Callable[[str], Decimal | None],
) -> Callable[..., Awaitable[Any]]:
    call = getattr(client, name)

    @functools.wraps(call)
    async def observed(*args: Any, **kwargs: Any) -> Any:
        answer = await call(*args, **kwargs)
        if name == "cancel_order" and args:
            canceled.add(args[0])
        rows = [answer] if name in _ONE_ROW else answer
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("id"):
                _correct(row, name, row["id"] in canceled)
                told = told_order(client, row, market_price)
                if told is not None:
                    listener(told)
        return answer

    return observed


def _correct(row: dict[str, Any], name: str, is_canceled: bool) -> None:
    amount, filled = decimal_or_none(row.get("amount")), decimal_or_none(row.get("filled"))
    if row.get("status") not in _STATUSES and row.get("status") != _PENDING:
        if amount is None:
            return  # an answer with an id alone
        is_whole = filled is not None and filled >= amount
        row["status"] = "closed" if is_whole else "canceled" if is_canceled else "open"
    if row["status"] == "closed" and amount and filled is not None and filled < amount:
        is_new = name == "create_order" and not filled  # executions are not counted yet
        row["status"] = "open" if is_new else "canceled"


def told_order(
    client: Any, row: Mapping[str, Any], market_price: Callable[[str], Decimal | None]
) -> ToldOrder | None:
    """Read a unified row; None for one that tells an id alone."""
    status = _STATUSES.get(row.get("status"), "open")
    amount, filled = decimal_or_none(row.get("amount")), decimal_or_none(row.get("filled"))
    if amount is None and filled is None and row.get("status") is None:
        return None
    if filled is None and status == "filled":
        filled = amount
    symbol = row.get("symbol")
    size = contract_size(client, symbol)
    return ToldOrder(
        exchange_id=str(row["id"]),
        symbol=symbol,
        status=status,
        filled=None if filled is None else filled * size,
        average=decimal_or_none(row.get("average")) or None,
        fees=tuple(fees_of(row)),
        condition=condition_of(row, market_price),
    )


def condition_of(
    row: Mapping[str, Any], market_price: Callable[[str], Decimal | None]
) -> Condition | None:
    """Return an order's trigger; None for an order that has none.

    A row that does not say whether it is a stop or a take profit is judged by the price now.
    """
    told = str(row.get("type") or "")
    has_limit = "limit" in told or (told in ("stop", "stop_loss") and bool(row.get("price")))
    for field, kind in _TRIGGERS:
        price = decimal_or_none(row.get(field))
        if not price:
            continue
        if kind is None:
            now = market_price(str(row.get("symbol")))
            rises = row.get("side") == "buy"
            is_stop = "take" not in told and (now is None or (price > now) == rises)
            kind = "stop_loss" if is_stop else "take_profit"
        return Condition(_WITH_LIMIT[kind] if has_limit else kind, price)
    return None


def fees_of(row: Mapping[str, Any]) -> Iterator[Fee]:
    """Yield the fees that an order or a trade is told with, one for each currency."""
    sums: dict[str, Decimal] = {}
    for fee in row.get("fees") or [row.get("fee") or {}]:
        cost, currency = decimal_or_none(fee.get("cost")), fee.get("currency")
        if cost is not None and currency:
            sums[currency] = sums.get(currency, ZERO) + cost
    for currency, cost in sums.items():
        yield Fee(cost=cost, currency=currency)


def contract_size(client: Any, symbol: str | None) -> Decimal:
    """Return how much of the base one unit of an amount is: the contract size, 1 on spot."""
    return size_of_contract((client.markets or {}).get(symbol) or {})
