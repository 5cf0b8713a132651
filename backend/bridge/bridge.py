"""Bridge: the facade of the bot in this process; builds its parts and wires them together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from backend.accounting.risk import RiskLimits
from backend.bridge.bot_warnings import BotWarnings
from backend.bridge.channels import ChannelConsumers
from backend.bridge.context import BotContext
from backend.bridge.counters import Counters
from backend.bridge.exchange_accounts.credentials import AccountCredentials
from backend.bridge.exchange_accounts.key_check import KeyCheck
from backend.bridge.ledger.bot_state import SavedBotState
from backend.bridge.ledger.commit_wait import wait_until_durable
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_store import KEPT
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.ledger.trades import Trades
from backend.bridge.live.mode import LiveMode
from backend.bridge.live.position_tracker import LivePositionTracker
from backend.bridge.live.reconciliation import GIVE_UP_AFTER_S
from backend.bridge.market_data.price_monitor import STALE, PriceMonitor
from backend.bridge.market_data.service import Markets
from backend.bridge.octobot.configuration import Configuration
from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.bridge.orders.dead_man_switch import CancelAllTimer
from backend.bridge.orders.execution import OrderExecution
from backend.bridge.orders.idempotency import IdempotentOrders
from backend.bridge.orders.service import Orders
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.bridge.paper.mode import PaperMode
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
from backend.bridge.startup import Restoration
from backend.bridge.status import BootFailed, Status
from backend.bridge.trading_mode import TradingMode
from backend.concurrency.host import Host
from backend.ports.events import Event, EventSink
from backend.ports.exchange_keys import KeySource, no_keys
from backend.ports.journal import JournalUnavailable, JournalUnreadable, OrderJournal
from backend.sandbox import SandboxControl
from backend.schemas.bot import Readiness
from backend.settings.model import Settings

_JOURNAL_WAIT_S = 5.0
_CHECK_POLL_S = 0.2
_NO_JOURNAL = "the order journal cannot be written"
_UNREADABLE = "a row of the order journal cannot be read: restore a backup"
_NOT_WRITABLE = "the database cannot be written: it is locked, full, or does not respond"
_WRITE_PROBE_WAIT_S = 0.8  # load balancers wait for a second at least
_CHECKING = "the database is being checked"
_DAMAGED = "the database is damaged: restore a backup, the log names the file"


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
        outbox = Outbox(journal, sink)
        saved_state = SavedBotState(journal, outbox)
        self._lifecycle = _Lifecycle(self, on_booted)
        runner = BotRunner(settings, host, self._lifecycle, pause=_saved_pause(saved_state))
        parts = _choose_parts(settings, runner, outbox, give_up_after_s)
        parts.ledger.load(journal.newest_orders(KEPT), journal.newest_trades(KEPT))
        self.risk = RiskLimits(limits_from(settings))
        daily_loss = DailyLossMonitor(runner, self.risk, saved_state)
        self._warnings = BotWarnings(self._lifecycle.publish_status)
        price_monitor = PriceMonitor(runner, self._warnings, settings.price_max_age)
        self.portfolio = Portfolios(
            runner,
            ReadModels(),
            parts.ledger,
            outbox,
            daily_loss.note_value,
            self._warnings,
            price_monitor,
        )
        self._context = BotContext(
            host=host,
            warnings=self._warnings,
            runner=runner,
            mode=parts.mode,
            journal=journal,
            outbox=outbox,
            saved_state=saved_state,
            ledger=parts.ledger,
            portfolio=self.portfolio,
            price_monitor=price_monitor,
            pre_trade=PreTradeRisk(parts.ledger, self.portfolio, self.risk),
            daily_loss=daily_loss,
        )
        self._idempotency = IdempotentOrders(self._context)
        self._build_services(settings, parts.tracker, sink, keys)

    def _build_services(
        self, settings: Settings, tracker: PositionTracker, sink: EventSink, keys: KeySource
    ) -> None:
        context, idempotency = self._context, self._idempotency
        runner, ledger, host = context.runner, context.ledger, context.host
        execution = OrderExecution(context)
        self.account_credentials = AccountCredentials(keys, real=settings.trading == "real")
        self.key_check = KeyCheck(settings.bot_timeout)
        self.bot = BotCommands(runner, settings, host, self._lifecycle, self._warnings)
        self.config = Configuration(settings, host)
        self.orders = Orders(context, execution, idempotency)
        self.positions = Positions(context, execution, idempotency, tracker)
        self.trades = Trades(runner, ledger, context.journal, host)
        self.markets = Markets(runner, settings.trading)
        self.dead_man_switch = CancelAllTimer(context, self.orders)
        self.sandbox = SandboxControl(settings)
        channels = ChannelConsumers(ledger, self.portfolio, tracker, sink)
        self._restoration = Restoration(
            context, execution, tracker, channels, idempotency.in_flight
        )

    def boot(self) -> None:
        """Start the bot and return while it starts; `bot.status()` shows the progress."""
        self._context.runner.start()

    def readiness(self) -> Readiness:
        """Return whether the bot can be used, and the reasons if not; writes to the database."""
        readiness = self.bot.readiness()
        reason = self._store_failure()
        added = [*self._warnings.of(STALE), *([] if reason is None else [reason])]
        if not added:
            return readiness
        missing = [*readiness.missing, *added]
        return readiness.model_copy(update={"ready": False, "missing": missing})

    def _store_failure(self) -> str | None:
        journal = self._context.journal
        if journal.damage is not None:
            return _DAMAGED
        if not journal.wait_until_checked(0):
            return _CHECKING
        if not self._context.outbox.healthy:
            return _NO_JOURNAL
        try:
            self._context.host.wait(journal.begin_write_probe(), _WRITE_PROBE_WAIT_S)
        except (TimeoutError, JournalUnavailable):
            return _NOT_WRITABLE
        return None

    @property
    def lag_monitor(self) -> LagMonitor:
        """The lag of the bot's loop."""
        return self._context.runner.lag_monitor

    @property
    def waiting(self) -> int:
        """The number of requests whose work is queued or running on the bot's loop."""
        return self._context.runner.executor.waiting

    @property
    def counters(self) -> Counters:
        """The counts of placed orders, refused orders and exchange errors since the start."""
        return self._context.runner.counters

    @property
    def open_orders(self) -> int:
        """The number of open orders."""
        return len(self._context.ledger.open_orders)

    def close(self) -> None:
        """Stop the bot cleanly and finish the journal."""
        self._context.runner.close()
        self._context.outbox.close()


class _Lifecycle:
    """BotLifecycle of a bridge: restores the journal's state at boot, saves and shows states."""

    def __init__(self, bridge: Bridge, on_booted: Callable[[], None] | None) -> None:
        self._bridge = bridge
        self._on_booted = on_booted

    def add_keys(self, configuration: InMemoryKeysConfiguration) -> None:
        """Add the stored API keys to a bot's configuration before it is created.

        Waits for the check of the database first: a bot that exists may trade.
        """
        context = self._bridge._context
        while context.runner.status.state == "starting":
            if context.journal.wait_until_checked(_CHECK_POLL_S):
                break
        if context.journal.damage is not None:
            raise BootFailed(_DAMAGED)
        self._bridge.account_credentials.add_to(configuration)

    async def restore(self) -> None:
        """Bring a bot whose exchanges are ready to the state of the journal. Loop only."""
        bridge, context = self._bridge, self._bridge._context
        # # an account is rebuilt from the journal
        if not await context.outbox.flush_within(_JOURNAL_WAIT_S):
            raise BootFailed(self._journal_failure())
        try:
            await bridge._restoration.run()
        except JournalUnreadable:
            raise BootFailed(_UNREADABLE) from None
        except (asyncio.TimeoutError, JournalUnavailable):
            raise BootFailed(self._journal_failure()) from None
        await bridge.dead_man_switch.begin()
        context.daily_loss.begin()
        context.portfolio.refresh()
        bridge.config.record_boot()
        if self._on_booted is not None:
            self._on_booted()

    def _journal_failure(self) -> str:
        return _NO_JOURNAL if self._bridge._context.journal.damage is None else _DAMAGED

    def on_status(self, status: Status) -> None:
        """Save whether the bot is paused, and publish its state; from any thread."""
        bridge, context = self._bridge, self._bridge._context
        if status.state in ("running", "paused"):
            is_paused = status.state == "paused"
            context.saved_state.save("pause", paused=is_paused, reason=status.reason)
        bridge.bot.note_status(status)
        context.daily_loss.note_status(status)
        self.publish_status()

    def publish_status(self) -> None:
        """Publish the bot's state and warnings; from any thread."""
        json = self._bridge.bot.status().model_dump_json().encode()
        data = event_data(None, None, "bot", json)
        event = Event("bot", "bot_status", "bot", None, data, json)
        self._bridge._context.outbox.commit(events=[event])

    def wait_until_durable(self) -> None:
        """Wait until all saved state would survive a kill of the process."""
        context = self._bridge._context
        wait_until_durable(context.outbox, context.host)


class _Parts(NamedTuple):
    """Parts that differ between paper and live trading."""

    ledger: Ledger
    mode: TradingMode
    tracker: PositionTracker


def _choose_parts(
    settings: Settings, runner: BotRunner, outbox: Outbox, give_up_after_s: float
) -> _Parts:
    """Build the parts of paper or of live trading; no other code makes this choice."""
    events = PositionEvents()
    is_paper = settings.trading == "paper"
    margins = MarginAccounts(events) if is_paper and settings.exchange_type == "future" else None
    ledger = Ledger(outbox, settings.trading, settings.exchange_type, margins)
    mode: TradingMode = (
        PaperMode(ledger, settings)
        if is_paper
        else LiveMode(runner, ledger, outbox, give_up_after_s)
    )
    tracker: PositionTracker = (
        LivePositionTracker(outbox, events)
        if margins is None
        else PaperPositionTracker(outbox, ledger, events, margins)
    )
    return _Parts(ledger, mode, tracker)


def _saved_pause(saved_state: SavedBotState) -> Status | None:
    saved = saved_state.load("pause")
    return Status("paused", saved["reason"]) if saved.get("paused") else None
