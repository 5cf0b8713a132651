"""What happens between a booted bot and a ready one: accounts, open orders, lost intents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from decimal import Decimal
from typing import Any

from backend.bridge.channels import ChannelConsumers
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.live.bracket_exits import BracketExits
from backend.bridge.live.reconciliation import doubt_what_is_missing, keep_settling, settle_intents
from backend.bridge.live.triggered_stops import TriggeredStops
from backend.bridge.octobot.conversion import last_price
from backend.bridge.octobot.exchange_errors import count_failures, note_failures
from backend.bridge.octobot.patches.futures_support import require_linear
from backend.bridge.octobot.patches.order_loggers import keep_few_loggers
from backend.bridge.octobot.patches.trigger_prices import trigger_at_trades
from backend.bridge.paper.account import restore_balances, restore_orders
from backend.bridge.paper.spot_simulator import fill_stops_at_market
from backend.bridge.portfolio.portfolio import Portfolios, totals_of
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.risk.pre_trade import PreTradeRisk
from backend.bridge.risk.strategy_gate import gate_strategy_orders
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.status import BootFailed
from backend.ports.journal import OrderJournal
from backend.schemas.orders import Order
from backend.settings.model import Settings

_PRICE_WAIT_S = 5
_ACCOUNT_WAIT_S = 20
_POLL_S = 0.05

log = logging.getLogger(__name__)


async def restore(
    runner: BotRunner,
    settings: Settings,
    journal: OrderJournal,
    ledger: Ledger,
    portfolios: Portfolios,
    channels: ChannelConsumers,
    tracker: PositionTracker,
    pre_trade: PreTradeRisk,
    in_flight: Collection[str],
    cancel: Callable[[str], Awaitable[Order]],
    is_written_within: Callable[[float], Awaitable[bool]],
    give_up_after_s: float,
) -> None:
    """Bring bot, journal and ledger to one state, then listen to what changes."""
    held: list[tuple[dict[str, Any], str]] = []
    baselines: dict[str, Decimal | None] = {}
    portfolios.begin(baselines)
    await channels.begin(runner.bot)
    for name, manager in runner.exchanges.items():
        gate_strategy_orders(manager, runner, pre_trade)
        count_failures(manager, runner.counters)
        trigger_at_trades(manager)
        await _wait_for_prices(manager, portfolios)
        if not manager.is_trader_simulated:
            note_failures(manager, runner.counters)
            await _wait_for_account(manager)
        opening = settings.paper_balance if manager.is_trader_simulated else totals_of(manager)
        state = await asyncio.to_thread(journal.open_account, ledger.account(name), opening)
        baselines[name] = state.baseline
        if manager.is_trader_simulated:
            fill_stops_at_market(manager, ledger)
            restore_balances(manager, state.balances)
        if manager.is_future:
            require_linear(manager)
            await tracker.begin(manager, state)
        await settle_intents(manager, journal, ledger, in_flight)
        exits = BracketExits(manager, ledger)
        stops = TriggeredStops(manager, ledger, cancel, is_written_within, runner.create_task)
        if not manager.is_trader_simulated:
            stops.attend()
            await exits.recall()
        await channels.follow(manager)
        if manager.is_trader_simulated:
            await restore_orders(manager, ledger)
        else:
            await exits.put_back()
        personal = manager.exchange_personal_data
        for trade in personal.trades_manager.trades.values():
            ledger.record_trade(trade.to_dict(), name, old=True)
        held.extend((o.to_dict(), name) for o in personal.orders_manager.get_all_orders())
        if not manager.is_trader_simulated:
            doubt_what_is_missing(manager, ledger)
            runner.create_task(keep_settling(manager, ledger, exits, stops, give_up_after_s))
    runner.create_task(channels.poll())
    runner.create_task(keep_few_loggers())
    ledger.adopt(held)
    tracker.publish()
    portfolios.announce()
    portfolios.refresh()


async def _wait_for_account(manager: Any) -> None:
    """Wait until the exchange has told balances and open orders: OctoBot is ready before."""
    personal = manager.exchange_personal_data
    for _ in range(int(_ACCOUNT_WAIT_S / _POLL_S)):
        known = personal.portfolio_manager.portfolio.portfolio
        if known and personal.orders_manager.are_exchange_orders_initialized:
            return
        await asyncio.sleep(_POLL_S)
    raise BootFailed(f"{manager.exchange_name} does not tell the account's balances")


async def _wait_for_prices(manager: Any, portfolios: Portfolios) -> None:
    """Wait a moment for the first price of each symbol, so that balances have a value."""
    symbols = manager.exchange_config.traded_symbol_pairs
    data = manager.exchange_symbols_data
    waits = [
        data.get_exchange_symbol_data(symbol).prices_manager.get_mark_price(timeout=_PRICE_WAIT_S)
        for symbol in symbols
    ]
    await asyncio.gather(*waits, return_exceptions=True)
    for symbol in symbols:
        price = last_price(manager, symbol)
        if price is None:
            log.warning("no price of %s has arrived from %s yet", symbol, manager.exchange_name)
        else:
            portfolios.take_price(symbol, price)
