"""Look-up of an order's state at a real exchange, by the exchange's id or by ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import ccxt
import octobot_trading.errors as trading_errors

from backend.bridge.octobot.conversion import decimal_or_none, fee_from_dict
from backend.schemas.common import utc_now
from backend.schemas.orders import Order

_STATUSES = {
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


class LookUpFailed(Exception):
    """The exchange did not respond to a look-up; the text names the final error."""


class FoundOrder(NamedTuple):
    """An order as the exchange reports it, and the exchange's id of it."""

    exchange_id: str
    order: Order


class OrderLookUp:
    """Looks up orders at one exchange, past OctoBot's memory; used on the bot's loop only."""

    __slots__ = ("_manager",)

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def look_up(self, order: Order, exchange_id: str | None) -> FoundOrder | None:
        """Return the order with this id, or with ours as its client order id.

        Raises `LookUpFailed`.
        """
        try:
            raw = await self._fetch(order, exchange_id)
        except (ccxt.BaseError, trading_errors.OctoBotExchangeError) as error:
            raise LookUpFailed(type(error).__name__) from error
        return None if raw is None else FoundOrder(str(raw["id"]), _as_found(order, raw))

    async def reload(self, symbol: str, exchange_id: str) -> None:
        """Load an order's present state into OctoBot, which may not know the order.

        Raises `LookUpFailed`.
        """
        personal = self._manager.exchange_personal_data
        try:
            found = await self._manager.exchange.get_order(exchange_id, symbol)
            if found is not None:
                is_held = personal.orders_manager.has_order(None, exchange_order_id=exchange_id)
                await personal.handle_order_update_from_raw(
                    exchange_id, found, is_new_order=not is_held
                )
        except (ccxt.BaseError, trading_errors.OctoBotExchangeError) as error:
            raise LookUpFailed(type(error).__name__) from error

    async def fetch_open(self, symbols: Iterable[str]) -> None:
        """Fetch the open orders, for those who observe them. Raises `LookUpFailed`."""
        try:
            for symbol in symbols:
                await self._manager.exchange.get_open_orders(symbol)
        except (ccxt.BaseError, trading_errors.OctoBotExchangeError) as error:
            raise LookUpFailed(type(error).__name__) from error

    async def _fetch(self, order: Order, exchange_id: str | None) -> dict[str, Any] | None:
        client = self._manager.exchange.connector.client
        if exchange_id is not None and client.has.get("fetchOrder"):
            with contextlib.suppress(ccxt.OrderNotFound):
                return dict(await client.fetch_order(exchange_id, order.symbol))
        for ability, fetch in _LISTS:
            if client.has.get(ability):
                for raw in await getattr(client, fetch)(order.symbol) or ():
                    if raw.get("clientOrderId") == order.id:
                        return dict(raw)
        return None


def _as_found(order: Order, raw: dict[str, Any]) -> Order:
    filled = decimal_or_none(raw.get("filled")) or order.filled
    quantity = decimal_or_none(raw.get("amount")) or order.quantity
    status = _STATUSES.get(str(raw.get("status")), "open")
    if status == "open" and filled:
        status = "partially_filled"
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
