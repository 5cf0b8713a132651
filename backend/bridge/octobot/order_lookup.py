"""Look-up of an order's state at a real exchange: by its id, by ours, or by likeness."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import ccxt

from backend.bridge.octobot.client_order_ids import ClientOrderIds
from backend.bridge.octobot.conversion import decimal_or_none, fee_from_dict
from backend.bridge.octobot.order_likeness import CLOCK_SKEW, IsTaken, Likeness, row_of_trades
from backend.bridge.octobot.order_replacement import edits_in_place, replacement_id
from backend.bridge.octobot.order_rows import contract_size
from backend.ports.order_tracking import OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Order
from backend.schemas.orders import OrderStatus as Status

_STATUSES: dict[str, Status] = {
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}
_LISTS = (
    ("fetchOpenOrders", "fetch_open_orders"),
    ("fetchClosedOrders", "fetch_closed_orders"),
    ("fetchCanceledOrders", "fetch_canceled_orders"),
    ("fetchOrders", "fetch_orders"),
)

Raw = dict[str, Any]
"""A row in ccxt's format."""


class LookUpFailed(Exception):
    """The exchange did not respond to a look-up; the text names the final error."""


class FoundOrder(NamedTuple):
    """An order as the exchange reports it, and the exchange's id of it."""

    exchange_id: str
    order: Order


class OrderLookUp:
    """Looks up orders at one exchange, past OctoBot's memory; used on the bot's loop only."""

    __slots__ = ("_client_ids", "_manager")

    def __init__(self, manager: Any, client_ids: ClientOrderIds) -> None:
        self._manager = manager
        self._client_ids = client_ids

    @property
    def _client(self) -> Any:
        return self._manager.exchange.connector.client

    async def look_up(
        self, order: Order, tracking: OrderTracking, is_taken: IsTaken
    ) -> FoundOrder | None:
        """Return an order: by the exchange's id, by ours, else by likeness among unknown ones.

        Raises `LookUpFailed`.
        """
        with _failing_softly():
            size = contract_size(self._client, order.symbol)
            in_contracts = order if size == 1 else _divided(order, size)
            raw = await self._fetch(in_contracts, tracking, is_taken)
            if raw is None:
                return None
            return FoundOrder(str(raw["id"]), _as_found(order, _multiplied(raw, size)))

    async def reload(self, symbol: str, exchange_id: str) -> None:
        """Load an order's present state into OctoBot, which may not know the order.

        Raises `LookUpFailed`.
        """
        personal = self._manager.exchange_personal_data
        if not self._client.has.get("fetchOrder"):
            return  # OctoBot's poll of open orders loads it
        with _failing_softly():
            found = await self._manager.exchange.get_order(exchange_id, symbol)
            if found is not None:
                is_held = personal.orders_manager.has_order(None, exchange_order_id=exchange_id)
                await personal.handle_order_update_from_raw(
                    exchange_id, found, is_new_order=not is_held
                )

    async def fetch_open(self, symbols: Iterable[str]) -> None:
        """Fetch the open orders, for those who observe them. Raises `LookUpFailed`."""
        with _failing_softly():
            for symbol in symbols:
                await self._manager.exchange.get_open_orders(symbol)

    async def _fetch(self, order: Order, tracking: OrderTracking, is_taken: IsTaken) -> Raw | None:
        client, exchange_id = self._client, tracking.exchange_id
        if exchange_id is not None and client.has.get("fetchOrder"):
            with contextlib.suppress(ccxt.OrderNotFound):
                held: Raw = dict(await client.fetch_order(exchange_id, order.symbol))
                return await self._successor(order, exchange_id, held) or held
        rows = []
        for ability, fetch in _LISTS:
            if client.has.get(ability):
                for raw in await getattr(client, fetch)(order.symbol) or ():
                    if self._has_id(raw, order, tracking):
                        return dict(raw)
                    rows.append(raw)
        if exchange_id is None:
            found = Likeness(order, tracking, is_taken).find(rows)
            if found is not None:
                return dict(found)
        listed = frozenset(str(row.get("id")) for row in rows)
        return await self._fetch_from_trades(order, tracking, is_taken, listed)

    async def _successor(self, order: Order, exchange_id: str, found: Raw) -> Raw | None:
        """Return the order that has replaced one, if it ended without any execution."""
        client = self._client
        if edits_in_place(client) or found.get("status") in ("open", "closed"):
            return None
        successor = replacement_id(order.id, exchange_id)
        for ability, fetch in _LISTS:
            if client.has.get(ability):
                for raw in await getattr(client, fetch)(order.symbol) or ():
                    if self._client_ids.matches(raw, successor):
                        return dict(raw)
        return None

    def _has_id(self, raw: Raw, order: Order, tracking: OrderTracking) -> bool:
        if tracking.exchange_id is not None and str(raw.get("id")) == tracking.exchange_id:
            return True
        sent_for = tracking.sent_for or order.id
        return self._client_ids.matches(raw, sent_for) or raw.get("clientOrderId") == sent_for

    async def _fetch_from_trades(
        self, order: Order, tracking: OrderTracking, is_taken: IsTaken, listed: Container[str]
    ) -> Raw | None:
        """Return a filled order that no list has, as its trades tell it.

        One that is `listed` was compared as a row already, by more than its trades tell.
        """
        client = self._client
        if not client.has.get("fetchMyTrades"):
            return None
        since = int((order.created_at - CLOCK_SKEW).timestamp() * 1000)
        trades = await client.fetch_my_trades(order.symbol, since) or ()
        if tracking.exchange_id is not None:
            mine = [row for row in trades if str(row.get("order")) == tracking.exchange_id]
            return row_of_trades(order, mine) if mine else None
        unlisted = [row for row in trades if str(row.get("order")) not in listed]
        found = Likeness(order, tracking, is_taken).find_filled(unlisted)
        return None if found is None else dict(found)


@contextlib.contextmanager
def _failing_softly() -> Iterator[None]:
    """Raise `LookUpFailed` for every error."""
    try:
        yield
    except Exception as error:  # parsers of exchanges' answers raise Python's own
        raise LookUpFailed(type(error).__name__) from error


def _divided(order: Order, size: Decimal) -> Order:
    """Return an order with its quantity in contracts, which an exchange's rows are in."""
    return order.model_copy(update={"quantity": order.quantity / size})


def _multiplied(raw: Raw, size: Decimal) -> Raw:
    """Return a row with its amounts in base."""
    amounts = {key: decimal_or_none(raw.get(key)) for key in ("amount", "filled")}
    return {**raw, **{key: each if each is None else each * size for key, each in amounts.items()}}


def _as_found(order: Order, raw: Raw) -> Order:
    filled = decimal_or_none(raw.get("filled"))
    quantity = decimal_or_none(raw.get("amount")) or order.quantity
    status = _STATUSES.get(str(raw.get("status")), "open")
    if filled is None:
        filled = quantity if status == "filled" else order.filled
    if status == "open" and filled:
        status = "partially_filled"
    elif status == "filled" and filled < quantity:
        status = "canceled"  # closed, with less than was asked
    return order.model_copy(
        update={
            "status": status,
            "quantity": quantity,
            "filled": filled,
            "remaining": quantity - filled,
            "price": order.price and (decimal_or_none(raw.get("price")) or order.price),
            "stop_price": order.stop_price
            and (decimal_or_none(raw.get("triggerPrice")) or order.stop_price),
            "average_price": decimal_or_none(raw.get("average")) if filled else None,
            "cost": decimal_or_none(raw.get("cost")) or order.cost,
            "fee": (fee_from_dict(raw.get("fee")) or order.fee) if filled else None,
            "updated_at": utc_now(),
        }
    )
