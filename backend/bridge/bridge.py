"""Bridge: the facade of the bot in this process; builds its parts and wires them together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from backend.accounting.risk import RiskLimits
from backend.bridge.channels import ChannelConsumers
from backend.bridge.counters import Counters
from backend.bridge.exchange_accounts.credentials import AccountCredentials
from backend.bridge.exchange_accounts.key_check import KeyCheck
from backend.bridge.ledger.bot_state import SavedBotState
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_store import KEPT
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.ledger.trades import Trades
from backend.bridge.live.position_tracker import LivePositionTracker
from backend.bridge.live.reconciliation import GIVE_UP_AFTER_S
from backend.bridge.market_data.service import Markets
from backend.bridge.octobot.configuration import Configuration
from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.bridge.orders.dead_man_switch import DeadManSwitchTimer
from backend.bridge.orders.execution import OrderExecution
from backend.bridge.orders.idempotency import IdempotentOrders
from backend.bridge.orders.service import Orders
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.bridge.paper.position_tracker import PaperPositionTracker
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.positions.position_events import PositionEvents
from backend.bridge.positions.service import Positions
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.read_models.event_data import event_data
from backend.bridge.read_models.read_models import ReadModels
from backend.bridge.risk.daily_loss import DailyLossMonitor
from backend.bridge.risk.pre_trade import PreTradeRisk, limits_from
from backend.bridge.runtime.commands import BotCommands
from backend.bridge.runtime.lag_monitor import LagMonitor
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.startup import restore
from backend.bridge.status import BootFailed, Status
from backend.concurrency.host import Host
from backend.ports.events import Event, EventSink
from backend.ports.exchange_keys import KeySource, no_keys
from backend.ports.journal import JournalUnavailable, OrderJournal
from backend.sandbox.control import SandboxControl
from backend.schemas.bot import Readiness
from backend.settings.model import Settings

_JOURNAL_WAIT_S = 5.0
_NO_JOURNAL = "the order journal cannot be written"


class Bridge:
    """One OctoBot in this process, and every operation on it, grouped by subject.

    `boot` starts the bot and returns at once, `close` stops it. One process
    owns a BACKEND_HOME: the maker of a bridge holds its `HomeLock`. `keys` reads
    the stored API keys. An order that a working exchange has not known for
    `give_up_after_s` counts as never placed. `on_booted` is called on the bot's
    loop at the end of each boot.
    """

    def __init__(
        self,
        settings: Settings,
        sink: EventSink,
        host: Host,
        journal: OrderJournal,
        *,
        keys: KeySource = no_keys,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        on_booted: Callable[[], None] | None = None,
    ) -> None:
        self._journal = journal
        self._outbox = Outbox(journal, sink)
        self._saved_state = SavedBotState(journal, self._outbox)
        self.account_credentials = AccountCredentials(keys, real=settings.trading == "real")
        self.key_check = KeyCheck(settings.bot_timeout)
        self._lifecycle = _Lifecycle(self)
        self._runner = BotRunner(
            settings,
            host,
            self._lifecycle,
            pause=_saved_pause(self._saved_state.load("pause")),
        )
        self._models = ReadModels()
        position_events = PositionEvents()
        margins = MarginAccounts(position_events) if _has_paper_margins(settings) else None
        self._ledger = Ledger(self._outbox, settings.trading, settings.exchange_type, margins)
        self._tracker: PositionTracker = (
            LivePositionTracker(self._outbox, position_events)
            if margins is None
            else PaperPositionTracker(self._outbox, self._ledger, position_events, margins)
        )
        self._ledger.load(journal.newest_orders(KEPT), journal.newest_trades(KEPT))
        self._idempotency = IdempotentOrders(
            journal, self._outbox, self._ledger, self._runner.executor, host
        )
        self.bot = BotCommands(self._runner, settings, host, self._lifecycle)
        self.config = Configuration(settings, host)
        self.risk = RiskLimits(limits_from(settings))
        self._daily_loss = DailyLossMonitor(self._runner, self.risk, self._saved_state)
        self.portfolio = Portfolios(
            self._runner, self._models, self._ledger, self._outbox, self._daily_loss.note_value
        )
        self._pre_trade = PreTradeRisk(self._ledger, self.portfolio, self.risk)
        self._execution = OrderExecution(
            self._runner, self._ledger, self.portfolio, self._pre_trade
        )
        self.orders = Orders(
            self._runner,
            self._ledger,
            self._execution,
            self._pre_trade,
            self._idempotency,
            journal,
            host,
        )
        self.positions = Positions(
            self._runner,
            self._ledger,
            self.portfolio,
            self._execution,
            self._idempotency,
            self._tracker,
        )
        self.trades = Trades(self._runner, self._ledger, journal, host)
        self.markets = Markets(self._runner, settings.trading)
        self.dead_man_switch = DeadManSwitchTimer(
            self._runner, self.orders, self._saved_state, self._idempotency
        )
        self.sandbox = SandboxControl(settings)
        self._channels = ChannelConsumers(self._ledger, self.portfolio, self._tracker, sink)
        self._settings = settings
        self._give_up_after_s = give_up_after_s
        self._on_booted = on_booted

    def boot(self) -> None:
        """Start the bot and return while it starts; `bot.status()` shows the progress."""
        self._runner.start()

    def readiness(self) -> Readiness:
        """Return whether the bot can be used, and what is missing if not."""
        readiness = self.bot.readiness()
        if self._outbox.healthy:
            return readiness
        missing = [*readiness.missing, _NO_JOURNAL]
        return readiness.model_copy(update={"ready": False, "missing": missing})

    @property
    def lag_monitor(self) -> LagMonitor:
        """The lag of the bot's loop."""
        return self._runner.lag_monitor

    @property
    def waiting(self) -> int:
        """The number of requests whose work is queued or running on the bot's loop."""
        return self._runner.executor.waiting

    @property
    def counters(self) -> Counters:
        """The counts of placed and refused orders and of exchange errors since the start."""
        return self._runner.counters

    @property
    def open_orders(self) -> int:
        """The number of open orders."""
        return len(self._ledger.open_orders)

    def close(self) -> None:
        """Stop the bot cleanly and finish the journal."""
        self._runner.close()
        self._outbox.close()


class _Lifecycle:
    """BotLifecycle of a bridge: restores the journal's state at boot, saves and shows states."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def add_keys(self, configuration: InMemoryKeysConfiguration) -> None:
        """Add the stored API keys to a bot's configuration before it is created."""
        self._bridge.account_credentials.add_to(configuration)

    async def restore(self) -> None:
        """Bring a bot whose exchanges are ready to the state of the journal. Loop only."""
        bridge = self._bridge
        # an account comes back from what the journal has
        if not await bridge._outbox.flush_within(_JOURNAL_WAIT_S):
            raise BootFailed(_NO_JOURNAL)
        try:
            await restore(
                bridge._runner,
                bridge._settings,
                bridge._journal,
                bridge._ledger,
                bridge.portfolio,
                bridge._channels,
                bridge._tracker,
                bridge._pre_trade,
                bridge._idempotency.in_flight,
                bridge._execution.cancel,
                bridge._outbox.flush_within,
                bridge._give_up_after_s,
            )
        except (asyncio.TimeoutError, JournalUnavailable):
            raise BootFailed(_NO_JOURNAL) from None
        await bridge.dead_man_switch.begin()
        bridge._daily_loss.begin()
        bridge.portfolio.refresh()
        bridge.config.note_boot()
        if bridge._on_booted is not None:
            bridge._on_booted()

    def on_status(self, status: Status) -> None:
        """Save whether the bot is paused, and publish its state; from any thread."""
        bridge = self._bridge
        if status.state in ("running", "paused"):
            bridge._saved_state.save("pause", paused=status.state == "paused", reason=status.reason)
        bridge.bot.note_status(status)
        bridge._daily_loss.note_status(status)
        json = bridge.bot.status().model_dump_json().encode()
        data = event_data(None, None, "bot", json)
        event = Event("bot", "bot_status", "bot", None, data, json)
        bridge._outbox.commit(events=[event])

    def wait_until_durable(self) -> None:
        """Wait until what was saved so far survives a kill of the process."""
        self._bridge._idempotency.wait_until_durable()


def _has_paper_margins(settings: Settings) -> bool:
    return settings.trading == "paper" and settings.exchange_type == "future"


def _saved_pause(saved: Mapping[str, Any]) -> Status | None:
    return Status("paused", saved["reason"]) if saved.get("paused") else None
