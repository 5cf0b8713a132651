"""The state that a stream tells, kept up to date event by event."""

from __future__ import annotations

from decimal import Decimal

from octobot_client.events import Event
from octobot_client.models import Order, Portfolio, Position, Trade, build

TRADES_KEPT = 100


class Mirror:
    """Open orders, newest trades, positions, prices and the portfolio, as last told.

    Feed it every event of a stream: `for event in client.stream(): mirror.apply(event)`.
    """

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, Trade] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.prices: dict[tuple[str, str], Decimal] = {}
        self.portfolio: Portfolio | None = None
        self.bot_state: str | None = None

    def apply(self, event: Event) -> None:
        """Take an event in; what it is not about stays."""
        if event.name == "snapshot":
            self._replace(event)
        elif event.name.startswith("order_"):
            self._put_order(event.order)
        elif event.name == "trade":
            self._put_trade(event.trade)
        elif event.name == "trade_replaced":
            self.trades.pop(event.trade.id, None)
        elif event.name.startswith("position_"):
            self._put_position(event)
        elif event.name == "price_update":
            self.prices[event.data["exchange"], event.data["symbol"]] = event.price
        elif event.name == "portfolio_updated":
            self.portfolio = event.portfolio
        elif event.name == "bot_status":
            self.bot_state = event.data["bot"]["state"]

    def _replace(self, event: Event) -> None:
        if event.topic == "orders":
            self.orders = {row["id"]: build(Order, row) for row in event.items}
        elif event.topic == "trades":
            self.trades = {row["id"]: build(Trade, row) for row in event.items}
        elif event.topic == "positions":
            found = [build(Position, row) for row in event.items]
            self.positions = {(row.exchange, row.symbol): row for row in found}
        elif event.topic == "prices":
            self.prices = {
                (row["exchange"], row["symbol"]): Decimal(row["price"]) for row in event.items
            }
        elif event.topic == "portfolio":
            self.portfolio = next((build(Portfolio, row) for row in event.items), None)
        elif event.topic == "bot":
            self.bot_state = next((row["state"] for row in event.items), None)

    def _put_order(self, order: Order) -> None:
        self.orders.pop(order.id, None)
        if order.is_open:
            self.orders[order.id] = order

    def _put_trade(self, trade: Trade) -> None:
        self.trades[trade.id] = trade
        while len(self.trades) > TRADES_KEPT:
            del self.trades[next(iter(self.trades))]

    def _put_position(self, event: Event) -> None:
        position = event.position
        place = (position.exchange, position.symbol)
        if event.name == "position_closed":
            self.positions.pop(place, None)
        else:
            self.positions[place] = position
