"""Mapping of our orders to the types, prices and parameters that OctoBot's traders take."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from backend.bridge.octobot.client_order_ids import ClientOrderIds
from backend.bridge.octobot.exchange_orders import ExchangeOrders, OrderKind
from backend.bridge.octobot.oco_group import FillListener
from backend.bridge.octobot.order_abilities import OrderAbilities
from backend.bridge.octobot.order_replacement import replacement_id
from backend.errors import OrderOptionNotSupported, OrderPartlyFilled
from backend.schemas.orders import NewOrder, Order

# These stops trigger when the price rises to theirs, the others when it falls to theirs.
TRIGGERS_ABOVE = frozenset(
    {
        ("stop_loss", "buy"),
        ("stop_limit", "buy"),
        ("trailing_stop", "buy"),
        ("take_profit", "sell"),
        ("take_profit_limit", "sell"),
    }
)
_PAPER_KINDS: Mapping[str, OrderKind] = {
    "market": "market",
    "limit": "limit",
    "stop_loss": "stop_loss",
    "stop_limit": "stop_loss",
    "trailing_stop": "stop_loss",
    "take_profit": "take_profit",
    "take_profit_limit": "take_profit",
}
_LIVE_KINDS: Mapping[str, OrderKind] = {
    "market": "market",
    "limit": "limit",
    "stop_loss": "stop_loss",
    "stop_limit": "stop_limit",
    "trailing_stop": "stop_loss",
    "take_profit": "take_profit",
    "take_profit_limit": "take_profit_limit",
}


def _option_params(order: Order) -> dict[str, Any]:
    """Return an order's time options in ccxt's unified form; none where they are the default."""
    params: dict[str, Any] = {}
    if order.time_in_force != "GTC":
        params["timeInForce"] = order.time_in_force
    if order.post_only:
        params["postOnly"] = True
    return params


class OrderMapping(Protocol):
    """The mapping for one exchange account: OctoBot's simulator and its real trader differ."""

    reports_overshooting: bool
    """Whether the exchange refuses an order that would do more than reduce a position."""

    reports_taking: bool
    """Whether the exchange refuses a post-only order that would fill at once."""

    def kind(self, order: Order | NewOrder, *, is_marketable: bool) -> OrderKind:
        """Return OctoBot's type of an order.

        `is_marketable` says that a limit order crosses the market.
        """

    def price(self, order: Order | NewOrder, market_price: Decimal) -> Decimal:
        """Return OctoBot's price of an order that is not a market order."""

    def trigger_above(self, order: Order | NewOrder) -> bool | None:
        """Return the side of the market on which a stop waits; None leaves that to OctoBot."""

    def check_options(self, asked: NewOrder) -> None:
        """Raise `OrderOptionNotSupported` for a time option that the exchange cannot take."""

    def check_supported(self, asked: NewOrder) -> None:
        """Raise `OrderTypeNotSupported` for an order that the exchange cannot take."""

    def exchange_params(self, order: Order) -> dict[str, Any]:
        """Return exchange parameters beyond OctoBot's own."""

    def change_params(self, order: Order, exchange_id: str | None) -> dict[str, Any]:
        """Return exchange parameters for a change of an order.

        Raises `OrderPartlyFilled` where a change would buy or sell on top of what has filled.
        """

    def fill_listener(self, listener: FillListener) -> FillListener | None:
        """Return the listener for the fills of an OCO group, None where none is needed."""


class PaperOrderMapping:
    """Mapping for OctoBot's simulator.

    It fills a limit order that crosses the market at its limit price, where an exchange
    would fill it at the market's: such an order is a market order here. The limit forms
    of stops are ours: they trigger as stops, see `paper.spot_simulator`.
    """

    reports_overshooting = False
    reports_taking = False

    def kind(self, order: Order | NewOrder, *, is_marketable: bool) -> OrderKind:
        """Return the simulator's type of an order."""
        return "market" if is_marketable else _PAPER_KINDS[order.type]

    def price(self, order: Order | NewOrder, market_price: Decimal) -> Decimal:
        """Return the price at which the simulator fills or triggers an order."""
        return order.stop_price or order.price or market_price

    def trigger_above(self, order: Order | NewOrder) -> bool | None:
        """Return None: the simulator infers it from the type and the side."""
        return None

    def check_options(self, asked: NewOrder) -> None:
        """Do nothing: the simulator takes every option."""

    def check_supported(self, asked: NewOrder) -> None:
        """Do nothing: the simulator takes every order."""

    def exchange_params(self, order: Order) -> dict[str, Any]:
        """Return no parameters: no exchange is involved."""
        return {}

    def change_params(self, order: Order, exchange_id: str | None) -> dict[str, Any]:
        """Return no parameters: no exchange is involved."""
        return {}

    def fill_listener(self, listener: FillListener) -> FillListener | None:
        """Return the listener: the simulator cancels the other exit before it reports a fill."""
        return listener


class LiveOrderMapping:
    """Mapping for a real exchange; OctoBot watches stops of types that the exchange lacks."""

    reports_overshooting = True
    reports_taking = True

    def __init__(
        self, orders: ExchangeOrders, client_ids: ClientOrderIds, abilities: OrderAbilities
    ) -> None:
        self._orders = orders
        self._abilities = abilities
        self._client_ids = client_ids

    def kind(self, order: Order | NewOrder, *, is_marketable: bool) -> OrderKind:
        """Return OctoBot's type of an order."""
        return _LIVE_KINDS[order.type]

    def price(self, order: Order | NewOrder, market_price: Decimal) -> Decimal:
        """Return the trigger price for an order that OctoBot watches, else the limit price."""
        if self._is_watched_by_octobot(order):
            return order.stop_price or order.price or market_price
        return order.price or order.stop_price or market_price

    def trigger_above(self, order: Order | NewOrder) -> bool | None:
        """Return the side for an order that OctoBot watches: it lets the limit forms trigger below.

        An exchange infers it from the type and the side.
        """
        if not self._is_watched_by_octobot(order):
            return None
        return (order.type, order.side) in TRIGGERS_ABOVE

    def check_options(self, asked: NewOrder) -> None:
        """Raise for an option that ccxt would leave out, or that it has no unified form for."""
        name = self._orders.exchange_name
        if asked.valid_until is not None:
            raise OrderOptionNotSupported(f"valid_until: {name} cannot end orders at a time here")
        if asked.time_in_force != "GTC" and not self._orders.takes(
            asked.symbol, asked.time_in_force
        ):
            raise OrderOptionNotSupported(
                f"time_in_force: {name} takes no {asked.time_in_force} orders in {asked.symbol}"
            )
        if asked.post_only and not self._orders.takes(asked.symbol, "PO"):
            raise OrderOptionNotSupported(
                f"post_only: {name} takes no post-only orders in {asked.symbol}"
            )

    def check_supported(self, asked: NewOrder) -> None:
        """Raise for an order that ccxt would send as another one; OctoBot's stops are our own."""
        kinds: list[OrderKind] = [_LIVE_KINDS[asked.type]]
        if asked.stop_loss is not None:
            kinds.append("stop_loss" if asked.stop_loss.price is None else "stop_limit")
        for kind in kinds:
            if kind in ("market", "limit") or self._orders.supports(kind, asked.side):
                self._abilities.check(asked.symbol, kind)

    def exchange_params(self, order: Order) -> dict[str, Any]:
        """Return our id in the exchange's form, which finds a lost order again, and options."""
        return {**self._client_ids.params(order.id), **_option_params(order)}

    def change_params(self, order: Order, exchange_id: str | None) -> dict[str, Any]:
        """Return the reduce-only flag, and of an order that is replaced all that it is sent with.

        What has filled of it is not known exactly until its cancel: one that has begun to fill
        is not replaced.
        """
        params: dict[str, Any] = {"reduceOnly": True} if order.reduce_only else {}
        watched = self._is_watched_by_octobot(order)
        if watched or exchange_id is None or self._orders.are_edited_in_place:
            return params
        if order.filled:
            raise OrderPartlyFilled(
                f"{order.exchange} cannot change an order in place, and a part of it has filled"
            )
        successor = order.model_copy(update={"id": replacement_id(order.id, exchange_id)})
        return {**self.exchange_params(successor), **params}

    def fill_listener(self, listener: FillListener) -> FillListener | None:
        """Return None: the exchange reports each exit by itself."""
        return None

    def _is_watched_by_octobot(self, order: Order | NewOrder) -> bool:
        kind = _LIVE_KINDS[order.type]
        return order.stop_price is not None and not self._orders.supports(kind, order.side)
