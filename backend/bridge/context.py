"""BotContext: the parts of one running bot that its services share, by name."""

from __future__ import annotations

from dataclasses import dataclass

from backend.bridge.bot_warnings import BotWarnings
from backend.bridge.ledger.bot_state import SavedBotState
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.market_data.price_monitor import PriceMonitor
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.risk.daily_loss import DailyLossMonitor
from backend.bridge.risk.pre_trade import PreTradeRisk
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.trading_mode import TradingMode
from backend.concurrency.host import Host
from backend.ports.journal import OrderJournal


@dataclass(frozen=True, slots=True)
class BotContext:
    """Parts that the bridge builds once and passes to each of its services."""

    host: Host
    warnings: BotWarnings
    runner: BotRunner
    mode: TradingMode
    journal: OrderJournal
    outbox: Outbox
    saved_state: SavedBotState
    ledger: Ledger
    portfolio: Portfolios
    price_monitor: PriceMonitor
    pre_trade: PreTradeRisk
    daily_loss: DailyLossMonitor
