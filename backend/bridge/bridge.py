"""The bridge as the rest of the program sees it: put together here, one part per subject."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from backend.accounting.risk import RiskLimits
from backend.bridge.channels import Watcher
from backend.bridge.counters import Tally
from backend.bridge.exchange_accounts.credentials import Keyring
from backend.bridge.exchange_accounts.key_check import Probe
from backend.bridge.ledger.bot_state import Memory
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_store import KEPT
from backend.bridge.ledger.outbox import Change, Recorder
from backend.bridge.ledger.trades import Trades
from backend.bridge.live.position_tracker import RealKeeper
from backend.bridge.live.reconciliation import GIVE_UP_AFTER_S
from backend.bridge.market_data.service import Markets
from backend.bridge.octobot.configuration import Configuration
from backend.bridge.orders.dead_man_switch import DeadMan
from backend.bridge.orders.execution import Desk
from backend.bridge.orders.idempotency import Intents
from backend.bridge.orders.service import Orders
from backend.bridge.paper.margin_accounts import Margins
from backend.bridge.paper.position_tracker import PaperKeeper
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.positions.position_events import Board
from backend.bridge.positions.service import Positions
from backend.bridge.positions.tracker import Keeper
from backend.bridge.read_models.event_data import event_data
from backend.bridge.read_models.read_models import ReadModels
from backend.bridge.risk.pre_trade import Guard, limits_from
from backend.bridge.runtime.commands import BotControl
from backend.bridge.runtime.lag_monitor import Pulse
from backend.bridge.runtime.runner import Engine
from backend.bridge.startup import take_stock
from backend.bridge.status import BootFailed, Status
from backend.concurrency.host import Host
from backend.ports.account_value import Worth
from backend.ports.events import Event, EventSink
from backend.ports.exchange_keys import KeySource, no_keys
from backend.ports.journal import JournalUnavailable, OrderJournal
from backend.sandbox.control import SandboxVenue
from backend.schemas.bot import Readiness
from backend.settings.model import Settings

_JOURNAL_WAIT_S = 5.0
_NO_JOURNAL = "the order journal cannot be written"


class Bridge:
    """One OctoBot in this process, and everything that may be asked of it.

    `boot` starts the bot and returns at once, `close` stops it. One process
    owns a BACKEND_HOME: whoever makes a bridge holds its `HomeLock`. `keys` are
    what is stored of its accounts. An order
    that a working exchange has not known for `give_up_after_s` was never placed.
    `on_booted` is called on the bot's loop when all that a bot needs is there.
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
        self._recorder = Recorder(journal, sink)
        self._memory = Memory(journal, self._recorder)
        self.keyring = Keyring(keys, real=settings.trading == "real")
        self.probe = Probe(settings.bot_timeout)
        self._engine = Engine(
            settings,
            host,
            give=self.keyring.give,
            on_ready=self._on_ready,
            on_status=self._on_status,
            pause=_pause_from(self._memory.recall("pause")),
        )
        self._models = ReadModels()
        board = Board()
        margins = Margins(board) if _has_paper_margins(settings) else None
        self._ledger = Ledger(self._recorder, settings.trading, settings.exchange_type, margins)
        self._keeper: Keeper = (
            RealKeeper(self._recorder, board)
            if margins is None
            else PaperKeeper(self._recorder, self._ledger, board, margins)
        )
        self._ledger.load(journal.newest_orders(KEPT), journal.newest_trades(KEPT))
        self._intents = Intents(journal, self._recorder, self._ledger, self._engine, host)
        self.bot = BotControl(self._engine, settings, host, self._intents.wait_until_durable)
        self.config = Configuration(settings, host)
        self.portfolio = Portfolios(
            self._engine, self._models, self._ledger, self._recorder, self._on_worth
        )
        self.risk = RiskLimits(limits_from(settings))
        self._guard = Guard(self._engine, self._ledger, self.portfolio, self.risk, self._memory)
        self._desk = Desk(self._engine, self._ledger, self.portfolio, self._guard)
        self.orders = Orders(
            self._engine, self._ledger, self._desk, self._guard, self._intents, journal, host
        )
        self.positions = Positions(
            self._engine, self._ledger, self.portfolio, self._desk, self._intents, self._keeper
        )
        self.trades = Trades(self._engine, self._ledger, journal, host)
        self.markets = Markets(self._engine, settings.trading)
        self.dead_man = DeadMan(
            self._engine, self.orders, self._memory, self._intents.wait_until_durable
        )
        self.sandbox = SandboxVenue(settings)
        self._watcher = Watcher(self._ledger, self.portfolio, self._keeper, sink)
        self._settings = settings
        self._give_up_after_s = give_up_after_s
        self._on_booted = on_booted

    def boot(self) -> None:
        """Start the bot; its state tells how that goes."""
        self._engine.start()

    def readiness(self) -> Readiness:
        """Tell whether the bot can be used, and what is missing if not."""
        readiness = self.bot.readiness()
        if self._recorder.healthy:
            return readiness
        missing = [*readiness.missing, _NO_JOURNAL]
        return readiness.model_copy(update={"ready": False, "missing": missing})

    @property
    def pulse(self) -> Pulse:
        """How late the bot's loop is."""
        return self._engine.pulse

    @property
    def waiting(self) -> int:
        """How many requests wait for the bot's loop, or have it work for them, right now."""
        return self._engine.waiting

    @property
    def tally(self) -> Tally:
        """What was placed, refused and answered by exchanges with an error since the start."""
        return self._engine.tally

    @property
    def open_orders(self) -> int:
        """How many orders are open."""
        return len(self._ledger.open_orders)

    def close(self) -> None:
        """Stop the bot cleanly and finish the journal."""
        self._engine.close()
        self._recorder.close()

    # ---- on the bot's loop

    async def _on_ready(self) -> None:
        # an account comes back from what the journal has
        if not await self._recorder.is_written_within(_JOURNAL_WAIT_S):
            raise BootFailed(_NO_JOURNAL)
        try:
            await take_stock(
                self._engine,
                self._settings,
                self._journal,
                self._ledger,
                self.portfolio,
                self._watcher,
                self._keeper,
                self._guard,
                self._intents.in_flight,
                self._desk.cancel,
                self._recorder.is_written_within,
                self._give_up_after_s,
            )
        except (asyncio.TimeoutError, JournalUnavailable):
            raise BootFailed(_NO_JOURNAL) from None
        await self.dead_man.begin()
        self._guard.begin()
        self.config.note_boot()
        if self._on_booted is not None:
            self._on_booted()

    def _on_worth(self, worth: Worth) -> None:
        self._guard.take_worth(worth)

    # ---- from any thread

    def _on_status(self, status: Status) -> None:
        if status.state in ("running", "paused"):
            self._memory.keep("pause", paused=status.state == "paused", reason=status.reason)
        self.bot.note(status)
        self._guard.note(status)
        json = self.bot.status().model_dump_json().encode()
        data = event_data(None, None, "bot", json)
        event = Event("bot", "bot_status", "bot", None, data, json)
        self._recorder.put(Change(events=(event,)))


def _has_paper_margins(settings: Settings) -> bool:
    return settings.trading == "paper" and settings.exchange_type == "future"


def _pause_from(memo: Mapping[str, Any]) -> Status | None:
    return Status("paused", memo["reason"]) if memo.get("paused") else None
