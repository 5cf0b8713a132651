"""Consumers of OctoBot's channels: prices, orders, trades and balances, in order of occurrence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import octobot_trading.exchange_channel as exchange_channel
from async_channel.enums import ChannelConsumerPriorityLevels
from octobot_trading.constants import (
    BALANCE_CHANNEL,
    MARK_PRICE_CHANNEL,
    ORDERS_CHANNEL,
    TRADES_CHANNEL,
)
from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.market_data.candles import CandleEvents
from backend.bridge.market_data.evaluators import EvaluatorEvents
from backend.bridge.market_data.notifications import NotificationEvents
from backend.bridge.market_data.order_books import OrderBooks
from backend.bridge.octobot.conversion import last_price
from backend.bridge.paper.spot_simulator import move_stop, trailing_stops_to_move
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event, EventSink
from backend.schemas.common import decimal_text

# Any other priority makes OctoBot poll the exchange for our sake.
_PRIORITY = ChannelConsumerPriorityLevels.OPTIONAL.value


class ChannelConsumers:
    """Consumes the channels of every exchange; runs on the bot's loop."""

    def __init__(
        self, ledger: Ledger, portfolios: Portfolios, tracker: PositionTracker, sink: EventSink
    ) -> None:
        self._ledger = ledger
        self._tracker = tracker
        self._portfolios = portfolios
        self._sink = sink
        self._managers: dict[str, Any] = {}
        self._candles = CandleEvents(sink)
        self._evaluators = EvaluatorEvents(sink)
        self._notifications = NotificationEvents(sink)
        self._books = OrderBooks(sink)

    async def begin(self, bot: Any) -> None:
        """Start over with a bot that has booted, and consume the channels that no exchange has."""
        self._managers.clear()
        self._books.begin()
        self._candles.begin()
        await self._evaluators.begin(bot.evaluator_producer.matrix_id)
        await self._notifications.begin()

    async def poll(self) -> None:
        """Fetch what streams follow and OctoBot does not fetch by itself; runs forever."""
        await self._books.poll()

    async def follow(self, manager: Any) -> None:
        """Consume the channels of an exchange; the consumers end with its channels."""
        self._managers[manager.exchange_name] = manager
        for name, callback in (
            (MARK_PRICE_CHANNEL, self._on_mark_price),
            (ORDERS_CHANNEL, self._on_order),
            (TRADES_CHANNEL, self._on_trade),
            (BALANCE_CHANNEL, self._on_balance),
        ):
            channel = exchange_channel.get_chan(name, manager.id)
            await channel.new_consumer(callback, priority_level=_PRIORITY)
        await self._candles.follow(manager)
        await self._books.follow(manager)

    async def _on_mark_price(
        self, *, exchange: str, symbol: str, mark_price: Decimal, **_: Any
    ) -> None:
        price = last_price(self._managers[exchange], symbol) or Decimal(str(mark_price))
        data = event_data(exchange, symbol, "price", b'"%b"' % decimal_text(price).encode())
        self._sink.publish(
            Event("prices", "price_update", f"{exchange} {symbol}", symbol, data, data)
        )
        manager = self._managers[exchange]
        self._portfolios.take_price(symbol, price)
        if manager.is_future and await self._tracker.take_price(manager, symbol, price):
            self._portfolios.refresh()
            self._portfolios.announce()
        for order, stop in trailing_stops_to_move(manager, self._ledger, symbol, price):
            await move_stop(manager, self._ledger, order, stop)

    async def _on_order(self, *, exchange: str, order: dict[str, Any], **_: Any) -> None:
        before = self._ledger.version
        self._ledger.record_order(order, exchange)
        manager = self._managers[exchange]
        if manager.is_future and order[Col.FILLED.value]:
            self._tracker.note_fill(manager, order[Col.SYMBOL.value])
        if self._ledger.version != before:  # else the command that did this has refreshed them
            self._portfolios.outdate()  # a reader of this order reads what it locked or freed
        else:
            self._portfolios.announce()

    async def _on_trade(
        self, *, exchange: str, trade: dict[str, Any], old_trade: bool, **_: Any
    ) -> None:
        self._ledger.record_trade(trade, exchange, old=old_trade)
        manager = self._managers[exchange]
        if manager.is_future and not old_trade:
            self._tracker.note_fill(manager, trade[Col.SYMBOL.value])
        self._portfolios.announce()

    async def _on_balance(self, **_: Any) -> None:
        self._portfolios.announce()
