"""Consumers of OctoBot's channels: prices, orders, trades and balances, in order of occurrence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.market_data.candles import CandleEvents
from backend.bridge.market_data.evaluators import EvaluatorEvents
from backend.bridge.market_data.notifications import NotificationEvents
from backend.bridge.market_data.order_books import OrderBooks
from backend.bridge.octobot.bot import Bot
from backend.bridge.octobot.conversion import has_filled, symbol_of
from backend.bridge.octobot.exchange import Channel, Exchange
from backend.bridge.octobot.order import RawOrder
from backend.bridge.orders.trailing_stops import move_trailing_stops
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event, EventSink
from backend.schemas.common import decimal_text


class ChannelConsumers:
    """Consumes the channels of every exchange; runs on the bot's loop."""

    def __init__(
        self, ledger: Ledger, portfolios: Portfolios, tracker: PositionTracker, sink: EventSink
    ) -> None:
        self._ledger = ledger
        self._tracker = tracker
        self._portfolios = portfolios
        self._sink = sink
        self._exchanges: dict[str, Exchange] = {}
        self._candles = CandleEvents(sink)
        self._evaluators = EvaluatorEvents(sink)
        self._notifications = NotificationEvents(sink)
        self._books = OrderBooks(sink)

    async def begin(self, bot: Bot) -> None:
        """Reset for a bot that has booted, and consume the channels that belong to no exchange."""
        self._exchanges.clear()
        self._books.begin()
        self._candles.begin()
        await self._evaluators.begin(bot.matrix_id)
        await self._notifications.begin()

    async def poll(self) -> None:
        """Fetch data that streams need and OctoBot does not fetch by itself; runs forever."""
        await self._books.poll()

    async def follow(self, exchange: Exchange) -> None:
        """Consume the channels of an exchange; the consumers end with its channels."""
        self._exchanges[exchange.name] = exchange
        await exchange.consume(Channel.MARK_PRICE, self._on_mark_price)
        await exchange.consume(Channel.ORDERS, self._on_order)
        await exchange.consume(Channel.TRADES, self._on_trade)
        await exchange.consume(Channel.BALANCE, self._on_balance)
        await self._candles.follow(exchange)
        await self._books.follow(exchange)

    async def _on_mark_price(
        self, *, exchange: str, symbol: str, mark_price: Decimal, **_: Any
    ) -> None:
        source = self._exchanges[exchange]
        price = source.price(symbol) or Decimal(str(mark_price))
        data = event_data(exchange, symbol, "price", b'"%b"' % decimal_text(price).encode())
        self._sink.publish(
            Event("prices", "price_update", f"{exchange} {symbol}", symbol, data, data)
        )
        self._portfolios.update_price(symbol, price)
        if source.is_futures and await self._tracker.on_price(source, symbol, price):
            self._portfolios.refresh()
            self._portfolios.publish_soon()
        await move_trailing_stops(source, self._ledger, symbol, price)

    async def _on_order(self, *, exchange: str, order: RawOrder, **_: Any) -> None:
        before = self._ledger.version
        self._ledger.record_order(order, exchange)
        source = self._exchanges[exchange]
        if source.is_futures and has_filled(order):
            self._tracker.on_fill(source, symbol_of(order))
        if self._ledger.version != before:  # else the command has refreshed them
            self._portfolios.mark_outdated()  # readers see the funds that it locked or freed
        else:
            self._portfolios.publish_soon()

    async def _on_trade(self, *, exchange: str, trade: RawOrder, old_trade: bool, **_: Any) -> None:
        self._ledger.record_trade(trade, exchange, old=old_trade)
        source = self._exchanges[exchange]
        if source.is_futures and not old_trade:
            self._tracker.on_fill(source, symbol_of(trade))
        self._portfolios.publish_soon()

    async def _on_balance(self, **_: Any) -> None:
        self._portfolios.publish_soon()
