"""Orders of one exchange in OctoBot: build, place, amend, cancel, look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import octobot_trading.errors as trading_errors
import octobot_trading.personal_data as personal_data
from octobot_trading.enums import TradeOrderSide, TraderOrderType

from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.bridge.octobot.oco_group import FillListener, OcoGroup
from backend.bridge.octobot.order import (
    CreationInterceptor,
    EditCheck,
    OctoBotOrder,
    OrderGroup,
    RawOrder,
)
from backend.bridge.octobot.order_errors import NO_ANSWER, translate_order_errors
from backend.bridge.octobot.order_replacement import edits_in_place
from backend.bridge.octobot.trader_hooks import check_edits, intercept_creation
from backend.errors import ExchangeRefused, ExchangeUnreachable, OrderNotOpen
from backend.schemas.orders import Fee, Order, Side

OrderKind = Literal[
    "market", "limit", "stop_loss", "stop_limit", "take_profit", "take_profit_limit"
]
"""An order type that OctoBot has a class for."""

_BY_SIDE = {
    ("market", "buy"): TraderOrderType.BUY_MARKET,
    ("market", "sell"): TraderOrderType.SELL_MARKET,
    ("limit", "buy"): TraderOrderType.BUY_LIMIT,
    ("limit", "sell"): TraderOrderType.SELL_LIMIT,
}
_STOPS = {
    "stop_loss": TraderOrderType.STOP_LOSS,
    "stop_limit": TraderOrderType.STOP_LOSS_LIMIT,
    "take_profit": TraderOrderType.TAKE_PROFIT,
    "take_profit_limit": TraderOrderType.TAKE_PROFIT_LIMIT,
}
_MARKET = (TraderOrderType.BUY_MARKET, TraderOrderType.SELL_MARKET)


def is_market(order: OctoBotOrder) -> bool:
    """Return whether an order executes at once at the market's price."""
    return order.order_type in _MARKET


class ExchangeOrders:
    """OctoBot's orders at one exchange, and its trader; used on the bot's loop only."""

    __slots__ = ("_manager", "_orders", "_personal", "_trader")

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._trader = manager.trader
        self._personal = manager.exchange_personal_data
        self._orders = self._personal.orders_manager

    # ---- OctoBot's orders

    def get(self, order_id: str) -> OctoBotOrder | None:
        """Return the order with this id of ours, or None."""
        order: OctoBotOrder | None = self._orders.orders.get(order_id)
        return order

    def find(self, order_id: str, exchange_id: str | None) -> OctoBotOrder | None:
        """Return the order with this id of ours, else with this id of the exchange, or None."""
        found = self.get(order_id)
        return self.by_exchange_id(exchange_id) if found is None and exchange_id else found

    def by_exchange_id(self, exchange_id: str) -> OctoBotOrder | None:
        """Return the order with this id of the exchange, or None."""
        for order in self._orders.orders.values():
            if order.exchange_order_id == exchange_id:
                found: OctoBotOrder = order
                return found
        return None

    def all(self) -> Sequence[OctoBotOrder]:
        """Return every order that OctoBot holds."""
        orders: Sequence[OctoBotOrder] = self._orders.get_all_orders()
        return orders

    def open(self, symbol: str) -> Sequence[OctoBotOrder]:
        """Return the open orders of a symbol."""
        orders: Sequence[OctoBotOrder] = self._orders.get_open_orders(symbol)
        return orders

    def trades(self) -> list[RawOrder]:
        """Return the trades that OctoBot has loaded or made."""
        return [trade.to_dict() for trade in self._personal.trades_manager.trades.values()]

    def drop(self, order: OctoBotOrder) -> None:
        """Remove an order that could not be created, if OctoBot has kept it."""
        if self._orders.has_order(order.order_id):
            self._orders.remove_order_instance(order)

    # ---- before an order is placed

    def build(
        self,
        order: Order,
        kind: OrderKind,
        *,
        market_price: Decimal,
        price: Decimal,
        trigger_above: bool | None,
    ) -> OctoBotOrder:
        """Build an OctoBot order, not yet placed, under the id of ours.

        `trigger_above` is the side of the market on which a stop waits; None leaves
        that to OctoBot, which lets the limit forms trigger below, buys as well.
        """
        built: OctoBotOrder = personal_data.create_order_instance(
            self._trader,
            _octobot_type(kind, order.side),
            order.symbol,
            market_price,
            order.quantity,
            price=price,
            stop_price=order.stop_price or ZERO,
            order_id=order.id,
            side=TradeOrderSide(order.side) if order.stop_price is not None else None,
            tag=order.tag,
            reduce_only=order.reduce_only,
            trigger_above=trigger_above,
        )
        return built

    def supports(self, kind: OrderKind, side: Side) -> bool:
        """Return whether the exchange supports this order type."""
        return bool(self._manager.exchange.is_supported_order_type(_octobot_type(kind, side)))

    @property
    def exchange_name(self) -> str:
        """The exchange's id in ccxt."""
        return str(self._manager.exchange_name)

    def takes(self, symbol: str, option: Literal["IOC", "FOK", "PO"]) -> bool:
        """Return whether ccxt says that orders of a symbol may have a time in force."""
        client = self._manager.exchange.connector.client
        parameter = f"timeInForce.{option}"
        return bool(client.feature_value(symbol, "createOrder", parameter, False))

    def adapt_quantity(self, symbol: str, quantity: Decimal) -> Decimal:
        """Round a quantity down to the exchange's step."""
        rules = self._manager.exchange.get_market_status(symbol, with_fixer=False)
        adapted: Decimal = personal_data.decimal_adapt_quantity(rules, quantity)
        return adapted

    def expected_fee(
        self,
        symbol: str,
        kind: OrderKind,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        *,
        is_maker: bool,
    ) -> Fee | None:
        """Return the fee that OctoBot expects for a fill at this price."""
        raw = self._manager.exchange.get_trade_fee(
            symbol, _octobot_type(kind, side), quantity, price, "maker" if is_maker else "taker"
        )
        cost = decimal_or_none(raw.get("cost"))
        return None if cost is None else Fee(cost=cost, currency=raw["currency"])

    def expected_taker_fee(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> Fee:
        """Return the fee that OctoBot expects of an order that takes liquidity."""
        raw = self._manager.exchange.get_trade_fee(
            order.symbol, order.order_type, quantity, price, "taker"
        )
        return Fee(cost=raw["cost"], currency=raw["currency"])

    def taker_fee(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the same without its currency."""
        return self.expected_taker_fee(order, quantity, price).cost

    # ---- exits

    async def chain(self, entry: OctoBotOrder, exit_: OctoBotOrder) -> None:
        """Chain an exit to its entry: it is placed on the fill, smaller by the entry's fee."""
        await self._trader.chain_order(
            entry, exit_, update_with_triggering_order_fees=True, is_bundled=False
        )

    def oco_group(self, name: str, listener: FillListener | None) -> OrderGroup:
        """Return the OCO group of this name: one fill cancels the other orders.

        A paper account's group needs a listener, which it notifies of a fill before the cancels.
        """
        if listener is None:
            group: OrderGroup = self._orders.get_or_create_group(
                personal_data.OneCancelsTheOtherOrderGroup, name
            )
            return group
        paper_group = self._orders.get_or_create_group(OcoGroup, name)
        paper_group.listener = listener
        shared: OrderGroup = paper_group
        return shared

    # ---- commands

    @property
    def are_edited_in_place(self) -> bool:
        """Whether a change keeps an order and what was executed of it."""
        return edits_in_place(self._manager.exchange.connector.client)

    async def place(
        self, order: OctoBotOrder, params: Mapping[str, Any] | None = None
    ) -> OctoBotOrder:
        """Place an order at the exchange or in the simulator, and return it as created.

        Raises `InsufficientFunds`, `ExchangeRefused` or `ExchangeUnreachable`; OctoBot
        lets errors that it does not know pass.
        """
        with translate_order_errors(order.symbol, order.side.value):
            created: OctoBotOrder | None = await self._trader.create_order(
                order, params=params, raise_all_creation_error=True
            )
        if created is None:
            raise ExchangeRefused("the exchange refused the order")
        return created

    async def amend(
        self,
        order: OctoBotOrder,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Amend an open order. Raises `OrderNotOpen`, and the errors of `place`."""
        with translate_order_errors(order.symbol, order.side.value):
            try:
                await self._trader.edit_order(
                    order,
                    edited_quantity=quantity,
                    edited_price=price,
                    edited_stop_price=stop_price,
                    params=dict(params) if params else None,
                )
            except trading_errors.OrderEditError:
                raise OrderNotOpen("the order cannot be changed any more") from None

    async def cancel(self, order: OctoBotOrder) -> bool:
        """Cancel an order; return False when OctoBot could not.

        Raises `OrderNotOpen` when it had ended at the exchange, `ExchangeUnreachable`.
        """
        try:
            return bool(await self._trader.cancel_order(order))
        except trading_errors.OrderCancelError:
            return False
        except trading_errors.UnexpectedExchangeSideOrderStateError:
            raise OrderNotOpen("the order has ended at the exchange") from None
        except trading_errors.OctoBotExchangeError:
            raise ExchangeUnreachable(NO_ANSWER) from None

    async def cancel_if_spent(self, order: OctoBotOrder) -> None:
        """Cancel a paper exit that was placed while the other one of its group filled."""
        group = order.order_group
        if isinstance(group, OcoGroup) and group.is_spent and order.is_open():
            await self.cancel(order)

    def check_edits(self, is_affordable: EditCheck) -> None:
        """Refuse a paper order's edit, also a strategy's, whose new values lack the funds."""
        check_edits(self._trader, is_affordable)

    def intercept_creation(self, interceptor: CreationInterceptor) -> None:
        """Add an interceptor of every order's creation, also of strategies' orders.

        The interceptor that was added last runs first.
        """
        intercept_creation(self._trader, interceptor)


def _octobot_type(kind: OrderKind, side: Side) -> TraderOrderType:
    return _STOPS.get(kind) or _BY_SIDE[kind, side]
