"""The bridge as the rest of the program sees it: put together here, one part per subject."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from backend.accounting.risk import RiskLimits
from backend.bridge.boot import take_stock
from backend.bridge.configuration import Configuration
from backend.bridge.control import BotControl
from backend.bridge.deadman import DeadMan
from backend.bridge.desk import Desk
from backend.bridge.effects import event_data
from backend.bridge.engine import Engine
from backend.bridge.entrance import Status
from backend.bridge.failed_boot import BootFailed
from backend.bridge.futures.board import Board
from backend.bridge.futures.keeper import Keeper
from backend.bridge.futures.margins import Margins
from backend.bridge.futures.paper_keeper import PaperKeeper
from backend.bridge.futures.real_keeper import RealKeeper
from backend.bridge.guard import Guard, limits_from
from backend.bridge.intents import Intents
from backend.bridge.keyring import Keyring
from backend.bridge.ledger import Ledger
from backend.bridge.markets import Markets
from backend.bridge.memory import Memory
from backend.bridge.orders import Orders
from backend.bridge.portfolio import Portfolios
from backend.bridge.positions import Positions
from backend.bridge.probe import Probe
from backend.bridge.publishing import ReadModels
from backend.bridge.pulse import Pulse
from backend.bridge.reconcile import GIVE_UP_AFTER_S
from backend.bridge.recorder import Change, Recorder
from backend.bridge.register import KEPT
from backend.bridge.tally import Tally
from backend.bridge.trades import Trades
from backend.bridge.venue import SandboxVenue
from backend.bridge.watch import Watcher
from backend.concurrency import Host
from backend.schemas.bot import Readiness
from backend.schemas.credentials import KeySource, no_keys
from backend.schemas.events import Event, EventSink
from backend.schemas.journal import JournalUnavailable, OrderJournal
from backend.schemas.worth import Worth
from backend.settings import Settings

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
