"""Typed adapter of OctoBot's exchange manager: the bridge's only access to an exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

import octobot_trading.exchange_channel as exchange_channel
from async_channel.enums import ChannelConsumerPriorityLevels
from octobot_trading import constants

from backend.bridge.counters import Counters
from backend.bridge.octobot.client_order_ids import ClientOrderIds
from backend.bridge.octobot.exchange_account import ExchangeAccount
from backend.bridge.octobot.exchange_errors import capture_commands, count_read_errors
from backend.bridge.octobot.exchange_market import ExchangeMarket
from backend.bridge.octobot.exchange_orders import ExchangeOrders
from backend.bridge.octobot.executions import ExchangeExecutions
from backend.bridge.octobot.order_abilities import OrderAbilities
from backend.bridge.octobot.order_kinds import LiveOrderMapping, OrderMapping, PaperOrderMapping
from backend.bridge.octobot.order_lookup import OrderLookUp
from backend.bridge.octobot.order_rows import ToldOrder, observe_orders
from backend.bridge.octobot.trading_rules import nearest_price, read_rules
from backend.schemas.markets import Market

# Any other priority makes OctoBot poll the exchange for our consumers.
OPTIONAL_PRIORITY = ChannelConsumerPriorityLevels.OPTIONAL.value


class Channel(Enum):
    """OctoBot's channels of one exchange; each calls its consumers with its own keywords."""

    MARK_PRICE = constants.MARK_PRICE_CHANNEL
    ORDERS = constants.ORDERS_CHANNEL
    TRADES = constants.TRADES_CHANNEL
    BALANCE = constants.BALANCE_CHANNEL
    POSITIONS = constants.POSITIONS_CHANNEL
    CANDLE_UPDATES = constants.KLINE_CHANNEL
    CLOSED_CANDLES = constants.OHLCV_CHANNEL
    ORDER_BOOK = constants.ORDER_BOOK_CHANNEL


class Exchange:
    """One connected exchange of one run of the bot; used on the bot's loop only.

    `orders`, `account`, `market`, `lookup` and `executions` are the adapters of one subject each.
    `name`, `id` and `is_futures` may be read from any thread.
    """

    __slots__ = (
        "_manager",
        "account",
        "executions",
        "id",
        "is_futures",
        "lookup",
        "market",
        "name",
        "order_mapping",
        "orders",
    )

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.id: str = manager.id
        self.name: str = manager.exchange_name
        self.is_futures: bool = manager.is_future
        self.orders = ExchangeOrders(manager)
        client_ids = ClientOrderIds(self.name, is_futures=self.is_futures)
        self.order_mapping: OrderMapping = (
            PaperOrderMapping()
            if manager.is_trader_simulated
            else LiveOrderMapping(self.orders, client_ids, OrderAbilities(manager))
        )
        self.account = ExchangeAccount(manager)
        self.market = ExchangeMarket(manager)
        self.lookup = OrderLookUp(manager, client_ids)
        self.executions = ExchangeExecutions(manager)

    @property
    def title(self) -> str:
        """The exchange's display name."""
        return str(self._manager.exchange.connector.client.name or self.name)

    @property
    def is_ready(self) -> bool:
        """Whether OctoBot has finished connecting to the exchange."""
        return bool(self._manager.is_ready)

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols that the bot follows, sorted."""
        symbols: Sequence[str] = self._manager.exchange_config.traded_symbol_pairs
        return symbols

    @property
    def intervals(self) -> Sequence[str]:
        """The candle intervals that the exchange offers."""
        intervals: Sequence[str] = self._manager.client_time_frames
        return intervals

    def price(self, symbol: str) -> Decimal | None:
        """Return the newest price, None before the first one."""
        return self.market.last_price(symbol)

    def rules(self, symbol: str) -> Market:
        """Return the exchange's trading rules for a symbol."""
        return read_rules(self._manager, symbol)

    def nearest_price(self, symbol: str, price: Decimal) -> Decimal:
        """Return the price that is sent to the exchange for this one."""
        return nearest_price(self._manager.exchange.connector.client, symbol, price)

    async def consume(self, channel: Channel, callback: Callable[..., Awaitable[None]]) -> None:
        """Subscribe `callback` to a channel until the run of the bot ends.

        It is called with the keywords of the channel.
        """
        source = exchange_channel.get_chan(channel.value, self.id)
        await source.new_consumer(callback, priority_level=OPTIONAL_PRIORITY)

    def patch(self, patch: Callable[[Any], None]) -> None:
        """Apply a change of OctoBot's behavior: a function of its exchange manager."""
        patch(self._manager)

    def observe_orders(self, listener: Callable[[ToldOrder], None]) -> None:
        """Call `listener` for each order that the exchange tells of."""
        observe_orders(self._manager, listener, self._known_price)

    def _known_price(self, symbol: str) -> Decimal | None:
        return self.price(symbol) if symbol in self.symbols else None

    def count_errors(self, counters: Counters) -> None:
        """Count the errors that the exchange's client raises when it reads."""
        count_read_errors(self._manager, counters)

    def capture_commands(self, counters: Counters) -> None:
        """Also count the errors of commands, and pass each outcome to `capture_outcome`."""
        capture_commands(self._manager, counters)
