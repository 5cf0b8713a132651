"""Tracker of paper futures positions: prices, funding, liquidation, settings.

Everything here is used on the bot's loop only.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.contract_position import MarginMode, average_price
from backend.accounting.decimals import ZERO
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.orders.factory import new_order
from backend.bridge.paper.contract_settings import check_change, max_leverage_of
from backend.bridge.paper.futures_simulator import follow_margins, mirror
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.bridge.positions.position_events import PositionEvents
from backend.ports.journal import AccountState
from backend.schemas.common import utc_now
from backend.schemas.orders import Fee, NewOrder, Order
from backend.schemas.positions import Position
from backend.schemas.trades import Trade

FUNDING_EVERY = timedelta(hours=8)
FUNDING_RATE = Decimal("0.0001")
"""The funding rate where the exchange publishes none."""
LIQUIDATION = "liquidation"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

log = logging.getLogger(__name__)


class PaperPositionTracker:
    """PositionTracker of paper trading: applies prices, funding and liquidation to our accounts."""

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

    async def begin(self, exchange: Exchange, state: AccountState) -> None:
        """Load an exchange's positions after a boot, before anything trades."""
        name = exchange.name
        symbols = list(exchange.symbols)
        self._margins.begin(
            name, self._ledger.account(name), symbols, state.balances, state.positions
        )
        for symbol in symbols:
            price = exchange.price(symbol)
            if price is not None:
                self._margins.update_price(name, symbol, price)
        await follow_margins(exchange, self._ledger, self._margins)
        self._intercept_settings(exchange)

    def _intercept_settings(self, exchange: Exchange) -> None:
        """Apply the leverage and margin mode that strategies set to our account."""

        async def configure(symbol: str, leverage: Decimal | None, mode: MarginMode | None) -> None:
            await self.configure(exchange, symbol, leverage, mode)

        exchange.account.intercept_settings(configure)

    def publish(self) -> None:
        """Load the present positions into the streams' snapshot."""
        self._outbox.replace_snapshot("positions", self._events.snapshot())

    async def on_price(self, exchange: Exchange, symbol: str, price: Decimal) -> bool:
        """Apply a new price to a position: pay funding that is due, liquidate."""
        self._margins.update_price(exchange.name, symbol, price)
        was_funded = self._fund(exchange, symbol, price)
        was_liquidated = await self._liquidate(exchange, symbol)
        mirror(exchange, self._margins)
        return was_funded or was_liquidated

    def on_fill(self, exchange: Exchange, symbol: str) -> None:
        """Do nothing: the ledger has booked the fill already."""

    async def refresh(self, exchange: Exchange, symbol: str) -> None:
        """Do nothing: our account is the position."""

    def symbols(self, exchange: Exchange) -> list[str]:
        """Return the contracts that have a position or settings here."""
        return self._margins.symbols(exchange.name)

    def position(self, exchange: Exchange, symbol: str) -> Position:
        """Return a position, or the settings of a contract in which none is open."""
        return self._margins.position(exchange.name, symbol)

    async def configure(
        self, exchange: Exchange, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Change a contract's settings; raises the error that forbids it, with nothing changed."""
        name = exchange.name
        account = self._margins.account(name, symbol)
        most = max_leverage_of(exchange.rules(symbol))
        check_change(account, symbol, leverage, mode, self._margins.prices(name), most)
        self._outbox.commit(*self._margins.configure(name, symbol, leverage, mode))
        mirror(exchange, self._margins)

    def _fund(self, exchange: Exchange, symbol: str, price: Decimal) -> bool:
        """Pay each funding once, at the present price; overdue funding is paid late."""
        margins, name = self._margins, exchange.name
        position = margins.account(name, symbol).position(symbol)
        if not position.quantity or position.funded_at is None:
            return False
        now, rate = utc_now(), exchange.market.funding_rate(symbol)
        rate = FUNDING_RATE if rate is None else rate
        due = position.funded_at - (position.funded_at - _EPOCH) % FUNDING_EVERY + FUNDING_EVERY
        if due > now:
            return False
        while due <= now:
            self._outbox.commit(*margins.fund(name, symbol, price, rate, due))
            due += FUNDING_EVERY
        return True

    async def _liquidate(self, exchange: Exchange, symbol: str) -> bool:
        margins, name = self._margins, exchange.name
        account = margins.account(name, symbol)
        if not account.is_liquidated(symbol, margins.prices(name)):
            return False
        mode = account.position(symbol).margin_mode
        liquidated = [symbol]
        if mode == "cross":
            liquidated = [
                s for s, p in account.positions.items() if p.quantity and p.margin_mode == mode
            ]
        for each in liquidated:
            self._take_over(exchange, each)
        mirror(exchange, margins)
        for each in liquidated:
            await _cancel_reducing(exchange, each)
        return True

    def _take_over(self, exchange: Exchange, symbol: str) -> None:
        """Close a position as liquidated, by an order and a trade of its own in the ledger."""
        margins, name = self._margins, exchange.name
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


async def _cancel_reducing(exchange: Exchange, symbol: str) -> None:
    """Cancel the orders that would have reduced the closed position."""
    for order in exchange.orders.open(symbol):
        if order.reduce_only:
            await exchange.orders.cancel(order)


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
