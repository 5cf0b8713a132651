"""Mapping of our orders to the types, prices and parameters that OctoBot's traders take."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from backend.bridge.octobot.exchange_orders import ExchangeOrders, OrderKind
from backend.bridge.octobot.oco_group import FillListener
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


class OrderMapping(Protocol):
    """The mapping for one exchange account: OctoBot's simulator and its real trader differ."""

    reports_overshooting: bool
    """Whether the exchange refuses an order that would do more than reduce a position."""

    def kind(self, order: Order | NewOrder, *, is_marketable: bool) -> OrderKind:
        """Return OctoBot's type of an order.

        `is_marketable` says that a limit order crosses the market.
        """

    def price(self, order: Order | NewOrder, market_price: Decimal) -> Decimal:
        """Return OctoBot's price of an order that is not a market order."""

    def trigger_above(self, order: Order | NewOrder) -> bool | None:
        """Return the side of the market on which a stop waits; None leaves that to OctoBot."""

    def exchange_params(self, order: Order) -> dict[str, Any]:
        """Return exchange parameters beyond OctoBot's own."""

    def fill_listener(self, listener: FillListener) -> FillListener | None:
        """Return the listener for the fills of an OCO group, None where none is needed."""


class PaperOrderMapping:
    """Mapping for OctoBot's simulator.

    It fills a limit order that crosses the market at its limit price, where an exchange
    would fill it at the market's: such an order is a market order here. The limit forms
    of stops are ours: they trigger as stops, see `paper.spot_simulator`.
    """

    reports_overshooting = False

    def kind(self, order: Order | NewOrder, *, is_marketable: bool) -> OrderKind:
        """Return the simulator's type of an order."""
        return "market" if is_marketable else _PAPER_KINDS[order.type]

    def price(self, order: Order | NewOrder, market_price: Decimal) -> Decimal:
        """Return the price at which the simulator fills or triggers an order."""
        return order.stop_price or order.price or market_price

    def trigger_above(self, order: Order | NewOrder) -> bool | None:
        """Return None: the simulator infers it from the type and the side."""
        return None

    def exchange_params(self, order: Order) -> dict[str, Any]:
        """Return no parameters: no exchange is involved."""
        return {}

    def fill_listener(self, listener: FillListener) -> FillListener | None:
        """Return the listener: the simulator cancels the other exit before it reports a fill."""
        return listener


class LiveOrderMapping:
    """Mapping for a real exchange; OctoBot watches stops of types that the exchange lacks."""

    reports_overshooting = True

    def __init__(self, orders: ExchangeOrders) -> None:
        self._orders = orders

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

    def exchange_params(self, order: Order) -> dict[str, Any]:
        """Return our id, so that the order can be found when a response is lost."""
        return {"clientOrderId": order.id}

    def fill_listener(self, listener: FillListener) -> FillListener | None:
        """Return None: the exchange reports each exit by itself."""
        return None

    def _is_watched_by_octobot(self, order: Order | NewOrder) -> bool:
        kind = _LIVE_KINDS[order.type]
        return order.stop_price is not None and not self._orders.supports(kind, order.side)
