"""Restoration of a booted bot: balances, open orders and lost intents, then the channels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from decimal import Decimal

from backend.bridge.channels import ChannelConsumers
from backend.bridge.context import BotContext
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import RawOrder
from backend.bridge.octobot.patches.contract_size import scale_contracts
from backend.bridge.octobot.patches.futures_support import require_linear
from backend.bridge.octobot.patches.margin_type import assume_margin_type
from backend.bridge.octobot.patches.order_loggers import release_order_loggers_forever
from backend.bridge.octobot.patches.trigger_prices import trigger_at_trades
from backend.bridge.orders.execution import OrderExecution
from backend.bridge.orders.factory import new_order
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.risk.strategy_gate import gate_strategy_orders
from backend.ports.journal import Intent
from backend.schemas.orders import NewOrder, Order

_PRICE_WAIT_S = 5

log = logging.getLogger(__name__)


class Restoration:
    """Brings bot, journal and ledger to one state at each boot, then consumes the channels.

    A command is placing or withdrawing the intents that are `in_flight`.
    """

    def __init__(
        self,
        context: BotContext,
        execution: OrderExecution,
        tracker: PositionTracker,
        channels: ChannelConsumers,
        in_flight: Collection[str],
    ) -> None:
        self._context = context
        self._execution = execution
        self._tracker = tracker
        self._channels = channels
        self._in_flight = in_flight

    async def run(self) -> None:
        """Restore every exchange of the bot that has booted. Loop only.

        Raises `BootFailed`, and `JournalUnavailable` when the journal cannot be read.
        """
        context, runner = self._context, self._context.runner
        held: list[tuple[RawOrder, str]] = []
        baselines: dict[str, Decimal | None] = {}
        context.portfolio.begin(baselines)
        context.price_monitor.begin()
        await self._channels.begin(runner.bot)
        for exchange in runner.exchanges.values():
            context.price_monitor.follow(exchange)
            await self._restore_account(exchange, baselines)
            await self._resolve_intents(exchange)
            await context.mode.recover(exchange, self._execution.cancel)
            await self._channels.follow(exchange)
            await context.mode.restore_orders(exchange)
            for trade in exchange.orders.trades():
                context.ledger.record_trade(trade, exchange.name, old=True)
            held.extend((order.to_dict(), exchange.name) for order in exchange.orders.all())
            context.mode.supervise(exchange)
        runner.create_task(self._channels.poll())
        runner.create_task(context.price_monitor.run())
        runner.create_task(release_order_loggers_forever())
        context.ledger.adopt(held)
        self._execution.expiry.begin()
        self._tracker.publish()
        context.portfolio.publish_soon()
        context.portfolio.refresh()

    async def _restore_account(
        self, exchange: Exchange, baselines: dict[str, Decimal | None]
    ) -> None:
        """Restore balances and positions; nothing trades before that."""
        context, mode = self._context, self._context.mode
        fresh = context.price_monitor if mode.executes_at_our_prices else None
        gate_strategy_orders(exchange, context.runner, context.pre_trade, fresh, context.journal)
        exchange.count_errors(context.runner.counters)
        exchange.account.report_unreadable(
            lambda texts: context.warnings.replace(
                f"rows: {exchange.name}", [f"{exchange.name}: {text}" for text in texts]
            )
        )
        exchange.patch(trigger_at_trades)
        exchange.patch(scale_contracts)
        exchange.patch(assume_margin_type)
        await _wait_for_prices(exchange, context.portfolio)
        opening = await mode.opening_balances(exchange)
        account = context.ledger.account(exchange.name)
        state = await asyncio.to_thread(context.journal.open_account, account, opening)
        baselines[exchange.name] = state.baseline
        mode.prepare(exchange, state.balances)
        if exchange.is_futures:
            require_linear(exchange)
            await self._tracker.begin(exchange, state)

    async def _resolve_intents(self, exchange: Exchange) -> None:
        """Record the orders of intents that earlier processes left open."""
        context = self._context
        account = context.ledger.account(exchange.name)
        for intent in await asyncio.to_thread(context.journal.open_intents, account):
            if intent.order_id in self._in_flight:
                continue
            if context.ledger.orders.get(intent.order_id) is None:
                context.mode.resolve_intent(_requested_order(intent, exchange.name))


def _requested_order(intent: Intent, exchange: str) -> Order:
    asked = NewOrder.model_validate(dict(intent.request))
    order = new_order(asked, intent.order_id, exchange)
    return order.model_copy(update={"created_at": intent.created_at})


async def _wait_for_prices(exchange: Exchange, portfolios: Portfolios) -> None:
    """Wait a moment for the first price of each symbol, so that balances have a value."""
    waits = [exchange.market.wait_for_price(symbol, _PRICE_WAIT_S) for symbol in exchange.symbols]
    await asyncio.gather(*waits, return_exceptions=True)
    for symbol in exchange.symbols:
        price = exchange.price(symbol)
        if price is None:
            log.warning("no price of %s has arrived from %s yet", symbol, exchange.name)
        else:
            portfolios.update_price(symbol, price)
