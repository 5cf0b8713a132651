"""Listens to OctoBot's channels and passes on what they tell, in the order in which it happened."""

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
from backend.bridge.market_data.candles import Signals
from backend.bridge.market_data.order_books import OrderBooks
from backend.bridge.octobot.conversion import last_price
from backend.bridge.paper.spot_simulator import move_stop, trail
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event, EventSink
from backend.schemas.common import decimal_text

# Any other priority makes OctoBot poll the exchange for our sake.
_PRIORITY = ChannelConsumerPriorityLevels.OPTIONAL.value


class ChannelConsumers:
    """Consumes the channels of every exchange; all of it runs on the bot's loop."""

    def __init__(
        self, ledger: Ledger, portfolios: Portfolios, tracker: PositionTracker, sink: EventSink
    ) -> None:
        self._ledger = ledger
        self._tracker = tracker
        self._portfolios = portfolios
        self._sink = sink
        self._managers: dict[str, Any] = {}
        self._signals = Signals(sink)
        self._books = OrderBooks(sink)

    async def begin(self, bot: Any) -> None:
        """Start anew with a bot that has booted, and listen to what is no exchange's."""
        self._managers.clear()
        self._books.begin()
        await self._signals.begin(bot)

    async def keep_up(self) -> None:
        """Ask for what OctoBot does not tell by itself, for as long as somebody follows it."""
        await self._books.keep_up()

    async def watch(self, manager: Any) -> None:
        """Start listening to an exchange; the consumers end with its channels."""
        self._managers[manager.exchange_name] = manager
        for name, callback in (
            (MARK_PRICE_CHANNEL, self._on_mark_price),
            (ORDERS_CHANNEL, self._on_order),
            (TRADES_CHANNEL, self._on_trade),
            (BALANCE_CHANNEL, self._on_balance),
        ):
            channel = exchange_channel.get_chan(name, manager.id)
            await channel.new_consumer(callback, priority_level=_PRIORITY)
        await self._signals.watch(manager)
        await self._books.watch(manager)

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
        for order, stop in trail(manager, self._ledger, symbol, price):
            await move_stop(manager, self._ledger, order, stop)

    async def _on_order(self, *, exchange: str, order: dict[str, Any], **_: Any) -> None:
        before = self._ledger.version
        self._ledger.record_order(order, exchange)
        manager = self._managers[exchange]
        if manager.is_future and order[Col.FILLED.value]:
            self._tracker.note_fill(manager, order[Col.SYMBOL.value])
        if self._ledger.version != before:  # else whoever did this has refreshed them
            self._portfolios.outdate()  # whoever reads this order reads what it locked or freed
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
