"""Keeps paper positions true as time goes on: prices, funding, liquidation, settings.

Everything here is used on the bot's loop only.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors

from backend.accounting.balances import assets_of
from backend.accounting.contract_position import MarginMode, average_price
from backend.accounting.decimals import ZERO
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.octobot.conversion import decimal_or_none, last_price
from backend.bridge.orders.factory import new_order
from backend.bridge.paper.contract_settings import check_change
from backend.bridge.paper.futures_simulator import follow_margins, mirror
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.bridge.positions.position_events import PositionEvents
from backend.errors import BridgeError
from backend.ports.journal import AccountState
from backend.schemas.common import utc_now
from backend.schemas.orders import Fee, NewOrder, Order
from backend.schemas.positions import Position
from backend.schemas.trades import Trade

FUNDING_EVERY = timedelta(hours=8)
FUNDING_RATE = Decimal("0.0001")
"""Paid where an exchange tells no rate of its own."""
LIQUIDATION = "liquidation"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

log = logging.getLogger(__name__)


class PaperPositionTracker:
    """The positions of every futures exchange in paper trading."""

    def __init__(
        self,
        outbox: Outbox,
        ledger: Ledger,
        position_events: PositionEvents,
        margins: MarginAccounts,
    ) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._events = position_events
        self._margins = margins

    async def begin(self, manager: Any, state: AccountState) -> None:
        """Take up an exchange's positions after a boot, before anything trades."""
        name = manager.exchange_name
        symbols = list(manager.exchange_config.traded_symbol_pairs)
        self._margins.begin(
            name, self._ledger.account(name), symbols, state.balances, state.positions
        )
        for symbol in symbols:
            price = last_price(manager, symbol)
            if price is not None:
                self._margins.note_price(name, symbol, price)
        await follow_margins(manager, self._ledger, self._margins)
        self._attend_settings(manager)

    def _attend_settings(self, manager: Any) -> None:
        """Have strategies change leverage and margin mode in our account, not past it."""

        async def change(symbol: str, leverage: Decimal | None, mode: MarginMode | None) -> bool:
            try:
                await self.configure(manager, symbol, leverage, mode)
            except BridgeError as error:
                raise trading_errors.InvalidLeverageValue(str(error)) from None
            return True

        async def set_leverage(symbol: str, _side: Any, leverage: Decimal) -> bool:
            return await change(symbol, Decimal(leverage), None)

        async def set_margin_type(symbol: str, _side: Any, margin_type: Any) -> None:
            await change(symbol, None, margin_type.value)

        manager.trader.set_leverage = set_leverage
        manager.trader.set_margin_type = set_margin_type

    def publish(self) -> None:
        """Let the streams begin with the positions as they are now."""
        self._outbox.replace_snapshot("positions", self._events.snapshot())

    async def take_price(self, manager: Any, symbol: str, price: Decimal) -> bool:
        """Bring a position to a new price: pay funding that is due, liquidate."""
        self._margins.note_price(manager.exchange_name, symbol, price)
        was_funded = self._fund(manager, symbol, price)
        was_liquidated = await self._liquidate(manager, symbol)
        mirror(manager, self._margins)
        return was_funded or was_liquidated

    def note_fill(self, manager: Any, symbol: str) -> None:
        """Do nothing: a fill has changed the position before it is told."""

    async def refresh(self, manager: Any, symbol: str) -> None:
        """Do nothing: what is kept here is how it stands."""

    def symbols(self, manager: Any) -> list[str]:
        """Return the contracts that have a position or settings here."""
        return self._margins.symbols(manager.exchange_name)

    def position(self, manager: Any, symbol: str) -> Position:
        """Return a position, or the settings of a contract in which none is open."""
        return self._margins.position(manager.exchange_name, symbol)

    async def configure(
        self, manager: Any, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Change a contract's settings; raises what forbids it, having changed nothing."""
        name = manager.exchange_name
        account = self._margins.account(name, symbol)
        check_change(account, symbol, leverage, mode, self._margins.prices(name))
        self._outbox.commit(*self._margins.configure(name, symbol, leverage, mode))
        mirror(manager, self._margins)

    def _fund(self, manager: Any, symbol: str, price: Decimal) -> bool:
        """Pay each funding once, at the price now: what fell due meanwhile is paid late."""
        margins, name = self._margins, manager.exchange_name
        position = margins.account(name, symbol).position(symbol)
        if not position.quantity or position.funded_at is None:
            return False
        now, rate = utc_now(), _funding_rate(manager, symbol)
        due = position.funded_at - (position.funded_at - _EPOCH) % FUNDING_EVERY + FUNDING_EVERY
        if due > now:
            return False
        while due <= now:
            self._outbox.commit(*margins.fund(name, symbol, price, rate, due))
            due += FUNDING_EVERY
        return True

    async def _liquidate(self, manager: Any, symbol: str) -> bool:
        margins, name = self._margins, manager.exchange_name
        account = margins.account(name, symbol)
        if not account.is_liquidated(symbol, margins.prices(name)):
            return False
        mode = account.position(symbol).margin_mode
        doomed = [symbol]
        if mode == "cross":
            doomed = [
                s for s, p in account.positions.items() if p.quantity and p.margin_mode == mode
            ]
        for each in doomed:
            self._take_over(manager, each)
        mirror(manager, margins)
        for each in doomed:
            await _cancel_reducing(manager, each)
        return True

    def _take_over(self, manager: Any, symbol: str) -> None:
        """Close a position without asking: an order and a trade of their own tell of it."""
        margins, name = self._margins, manager.exchange_name
        account = margins.account(name, symbol)
        position = account.position(symbol)
        cost = account.liquidation_cost(symbol, margins.prices(name))
        log.warning("the %s position in %s on %s is liquidated", position.side, symbol, name)
        asked = NewOrder.model_validate(
            {
                "symbol": symbol,
                "side": "sell" if position.quantity > 0 else "buy",
                "type": "market",
                "quantity": abs(position.quantity),
                "reduce_only": True,
                "tag": LIQUIDATION,
            }
        )
        order = new_order(asked, str(uuid.uuid4()), name)
        self._ledger.create(order)
        filled = _filled(order, cost, assets_of(symbol)[1])
        self._ledger.update(filled, "reported_filled", trade=_trade_of(filled))


async def _cancel_reducing(manager: Any, symbol: str) -> None:
    """Cancel the orders that would have reduced a position that is gone."""
    for order in manager.exchange_personal_data.orders_manager.get_open_orders(symbol):
        if order.reduce_only:
            await manager.trader.cancel_order(order)


def _funding_rate(manager: Any, symbol: str) -> Decimal:
    data = manager.exchange_symbols_data.get_exchange_symbol_data(symbol)
    told = decimal_or_none(data.funding_manager.funding_rate)
    return FUNDING_RATE if told is None else told


def _filled(order: Order, cost: Decimal, asset: str) -> Order:
    return order.model_copy(
        update={
            "status": "filled",
            "filled": order.quantity,
            "remaining": ZERO,
            "average_price": average_price(cost, order.quantity),
            "cost": cost,
            "fee": Fee(cost=ZERO, currency=asset),
            "updated_at": utc_now(),
        }
    )


def _trade_of(order: Order) -> Trade:
    return Trade(
        id=order.id,
        order_id=order.id,
        client_order_id=None,
        exchange=order.exchange,
        symbol=order.symbol,
        side=order.side,
        price=order.average_price or ZERO,
        quantity=order.filled,
        cost=order.cost,
        fee=order.fee,
        liquidity="taker",
        executed_at=order.updated_at,
    )
