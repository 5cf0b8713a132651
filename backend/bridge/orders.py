"""Orders: placed, listed, canceled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors
import octobot_trading.personal_data as personal_data
from octobot_trading.enums import TradeOrderSide, TraderOrderType

from backend.bridge.answers import prepare_page
from backend.bridge.convert import ZERO, last_price
from backend.bridge.engine import Engine
from backend.bridge.history import Entry
from backend.bridge.ledger import OPEN_STATUSES, Ledger
from backend.bridge.portfolio import Portfolios
from backend.bridge.rules import check_cost, check_price, check_quantity, read_rules
from backend.cursors import decode_cursor, encode_cursor
from backend.errors import (
    BotNotReady,
    BridgeError,
    ExchangeRefused,
    ExchangeUnreachable,
    InsufficientFunds,
    InvalidSymbol,
    OrderNotFound,
    OrderNotOpen,
    ReduceOnlyNotSupported,
    StopPriceReached,
    TradingPaused,
)
from backend.schemas.orders import NewOrder, Order, OrderQuery
from backend.schemas.prepared import Prepared

_PRICE_TIMEOUT_S = 5
_TYPES = {
    ("market", "buy"): TraderOrderType.BUY_MARKET,
    ("market", "sell"): TraderOrderType.SELL_MARKET,
    ("limit", "buy"): TraderOrderType.BUY_LIMIT,
    ("limit", "sell"): TraderOrderType.SELL_LIMIT,
    ("stop_loss", "buy"): TraderOrderType.STOP_LOSS,
    ("stop_loss", "sell"): TraderOrderType.STOP_LOSS,
    ("take_profit", "buy"): TraderOrderType.TAKE_PROFIT,
    ("take_profit", "sell"): TraderOrderType.TAKE_PROFIT,
}
# A stop triggers when the price rises to it for these, and when it falls to it for the others.
_TRIGGERS_ABOVE = {("stop_loss", "buy"), ("take_profit", "sell")}


class Orders:
    """Orders of every exchange; the public half runs on any thread."""

    def __init__(self, engine: Engine, ledger: Ledger, portfolios: Portfolios, start: str) -> None:
        self._engine = engine
        self._ledger = ledger
        self._portfolios = portfolios
        self._start = start

    def page(self, query: OrderQuery) -> Prepared:
        """Return one page of orders, newest first; new ones do not shift later pages."""
        self._engine.require_ready()
        before = decode_cursor("orders", query.cursor)
        version = self._ledger.version
        if query.status == "open":
            rows = [
                entry
                for entry in self._ledger.open_orders
                if (query.symbol is None or entry.item.symbol == query.symbol)
                and (before is None or entry.place < before)
            ]
            found = rows[: query.limit]
            more = found[-1].place if len(rows) > query.limit else None
        else:
            closed_only = query.status == "closed"
            found, more = self._ledger.orders.page(
                query.limit,
                before,
                lambda order: (
                    (query.symbol is None or order.symbol == query.symbol)
                    and not (closed_only and order.status in OPEN_STATUSES)
                ),
            )
        tag = (
            f'"{self._start}-orders-{version}-{query.status}-{query.symbol}-{query.limit}-{before}"'
        )
        cursor = None if more is None else encode_cursor("orders", more)
        return prepare_page((entry.json for entry in found), query.limit, cursor, tag)

    def get(self, order_id: str) -> Order:
        """Return one order, open or closed. Raises `OrderNotFound`."""
        self._engine.require_ready()
        return self._known(order_id).item

    def create(self, asked: NewOrder) -> Order:
        """Place an order and return it as it stands: market orders come back filled.

        Raises the `OrderRefused` that names the broken rule, `InvalidSymbol`,
        `InvalidExchange`, `TradingPaused`, or what the exchange answered.
        """
        return self._engine.run_command(self._create, asked)

    def cancel(self, order_id: str) -> Order:
        """Cancel one open order and return it as it ended.

        A fill that comes before the cancel wins: the order then comes back
        filled, and no error is raised.

        Raises `OrderNotFound` if there is no such order, `OrderNotOpen` if it
        had ended before.
        """
        return self._engine.run_command(self._cancel, order_id)

    # ---- on the bot's loop

    async def _create(self, asked: NewOrder) -> Order:
        manager = self._engine.exchange(asked.exchange)
        if self._engine.status.state == "paused":
            raise TradingPaused("resume the bot to place orders")
        order = await self._build(manager, asked)
        self._ledger.expect(order.order_id, asked, manager.exchange_name)
        try:
            with _refusals(asked):
                created = await manager.trader.create_order(order, raise_all_creation_error=True)
        except BridgeError:
            _drop(manager, order)
            raise
        else:
            return self._record(created, manager)
        finally:
            self._ledger.forget(order.order_id)
            self._portfolios.refresh()

    async def _build(self, manager: Any, asked: NewOrder) -> Any:
        if asked.symbol not in manager.exchange_config.traded_symbol_pairs:
            raise InvalidSymbol(f"{asked.symbol} is not traded on {manager.exchange_name}")
        price = await self._price(manager, asked.symbol)
        rules = read_rules(manager, asked.symbol)
        check_quantity(rules, asked.quantity)
        for field in ("price", "stop_price"):
            value = getattr(asked, field)
            if value is not None:
                check_price(rules, value, field)
        check_cost(rules, asked.quantity, asked.price or asked.stop_price or price)
        if asked.stop_price is not None and (
            price >= asked.stop_price
            if (asked.type, asked.side) in _TRIGGERS_ABOVE
            else price <= asked.stop_price
        ):
            raise StopPriceReached(f"stop_price: the price is {price} already")
        if asked.reduce_only and not manager.is_future:
            raise ReduceOnlyNotSupported(f"reduce_only: {manager.exchange_name} trades spot here")
        marketable = (
            asked.type == "limit"
            and asked.price is not None
            and (asked.price >= price if asked.side == "buy" else asked.price <= price)
        )
        # OctoBot's simulator fills a limit order that crosses the market at its limit price;
        # an exchange fills it at the market's.
        taken_at_once = marketable and manager.is_trader_simulated
        return personal_data.create_order_instance(
            manager.trader,
            _TYPES["market" if taken_at_once else asked.type, asked.side],
            asked.symbol,
            price,
            asked.quantity,
            price=price if taken_at_once else asked.price or asked.stop_price or price,
            stop_price=asked.stop_price or ZERO,
            side=TradeOrderSide(asked.side) if asked.stop_price is not None else None,
            tag=asked.tag,
            reduce_only=asked.reduce_only,
        )

    async def _price(self, manager: Any, symbol: str) -> Decimal:
        try:
            mark_price = await personal_data.get_up_to_date_price(
                manager, symbol, timeout=_PRICE_TIMEOUT_S
            )
        except asyncio.TimeoutError:
            raise BotNotReady(f"no price of {symbol} has arrived yet") from None
        except trading_errors.UnreachableExchange:
            raise ExchangeUnreachable("the exchange does not answer") from None
        return last_price(manager, symbol) or Decimal(str(mark_price))

    async def _cancel(self, order_id: str) -> Order:
        entry = self._known(order_id)
        if entry.item.status not in OPEN_STATUSES:
            raise OrderNotOpen(f"the order is {entry.item.status}")
        manager = self._engine.exchange(entry.item.exchange)
        order = _open_order(manager, order_id)
        if order is not None:
            try:
                await manager.trader.cancel_order(order)
            except trading_errors.UnexpectedExchangeSideOrderStateError:
                pass  # it ended before the cancel arrived: the ledger says how
            except trading_errors.OrderCancelError:
                raise ExchangeRefused("the exchange did not cancel the order") from None
            self._record(order, manager)
            self._portfolios.refresh()
        ended = self._known(order_id)
        if ended.item.status in OPEN_STATUSES:
            raise ExchangeRefused("the exchange did not cancel the order")
        return ended.item

    def _known(self, order_id: str) -> Entry[Order]:
        entry = self._ledger.orders.get(order_id)
        if entry is None:
            raise OrderNotFound("no order has this id")
        return entry

    def _record(self, order: Any, manager: Any) -> Order:
        """Bring the ledger up to date before the caller reads it."""
        return self._ledger.record_order(order.to_dict(), manager.exchange_name)


@contextlib.contextmanager
def _refusals(asked: NewOrder) -> Iterator[None]:
    """Turn what OctoBot raises when an order is not taken into what clients are told."""
    try:
        yield
    except (trading_errors.MissingFunds, trading_errors.PortfolioNegativeValueError):
        raise InsufficientFunds(_funds_text(asked)) from None
    except trading_errors.ExchangeCompliancyError:
        raise ExchangeRefused("the exchange does not let this account trade that") from None
    except trading_errors.AuthenticationError:
        raise ExchangeRefused("the exchange refused the API key") from None
    except trading_errors.OrderCreationError:
        raise ExchangeRefused("the exchange refused the order") from None
    except trading_errors.OctoBotExchangeError:
        raise ExchangeUnreachable("the exchange did not answer") from None


def _drop(manager: Any, order: Any) -> None:
    """Take a refused order out of the bot's books, should OctoBot have left it there."""
    orders = manager.exchange_personal_data.orders_manager
    if orders.has_order(order.order_id):
        orders.remove_order_instance(order)


def _open_order(manager: Any, order_id: str) -> Any:
    try:
        return manager.exchange_personal_data.orders_manager.get_order(order_id)
    except KeyError:
        return None


def _funds_text(asked: NewOrder) -> str:
    base, quote = asked.symbol.split(":")[0].split("/")
    return f"not enough {quote if asked.side == 'buy' else base} available for this order"
