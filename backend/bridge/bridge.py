"""The bridge as the rest of the program sees it: put together here, one part per subject."""

from __future__ import annotations

import secrets
from typing import Any

from backend.bridge.configuration import Configuration
from backend.bridge.control import BotControl, gate_trading
from backend.bridge.engine import Engine, Status
from backend.bridge.ledger import Ledger, event_data
from backend.bridge.lock import HomeLock
from backend.bridge.markets import Markets
from backend.bridge.orders import Orders
from backend.bridge.paper import make_realistic
from backend.bridge.portfolio import Portfolios
from backend.bridge.publishing import ReadModels
from backend.bridge.steering import SandboxPrices
from backend.bridge.trades import Trades
from backend.bridge.watch import Watcher
from backend.concurrency import Host
from backend.schemas.bot import Readiness
from backend.schemas.events import Event, EventSink
from backend.settings import Settings


class Bridge:
    """One OctoBot in this process, and everything that may be asked of it.

    Taking it locks BACKEND_HOME: `HomeLocked` says who has it. `boot` starts
    the bot and returns at once, `close` stops it and gives the lock back.
    """

    def __init__(self, settings: Settings, sink: EventSink, host: Host) -> None:
        self._lock = HomeLock(settings.home)
        self._lock.acquire()
        self._settings = settings
        self._sink = sink
        start = secrets.token_hex(4)
        self._engine = Engine(settings, host, on_ready=self._on_ready, on_status=self._on_status)
        self._models = ReadModels(start)
        self._ledger = Ledger(sink)
        self.bot = BotControl(self._engine, settings, host)
        self.config = Configuration(settings, host)
        self.portfolio = Portfolios(self._engine, self._models, self._ledger, sink)
        self.orders = Orders(self._engine, self._ledger, self.portfolio, start)
        self.trades = Trades(self._engine, self._ledger, start)
        self.markets = Markets(self._engine, settings.trading)
        self.sandbox = SandboxPrices(settings)
        self._watcher = Watcher(self._ledger, self.portfolio, sink)

    def boot(self) -> None:
        """Start the bot; its state tells how that goes."""
        self._engine.start()

    def readiness(self) -> Readiness:
        """Tell whether the bot can be used, and what is missing if not."""
        return self.bot.readiness()

    def close(self) -> None:
        """Stop the bot cleanly and give BACKEND_HOME back."""
        self._engine.stop()
        self._lock.release()

    # ---- on the bot's loop

    async def _on_ready(self) -> None:
        """Take stock of what the bot came up with, then listen to what changes."""
        held: list[tuple[dict[str, Any], str]] = []
        for name, manager in self._engine.exchanges.items():
            gate_trading(manager, self._engine)
            if manager.is_trader_simulated:
                make_realistic(manager, self._ledger)
            await self._watcher.watch(manager)
            personal = manager.exchange_personal_data
            for trade in personal.trades_manager.trades.values():
                self._ledger.record_trade(trade.to_dict(), name, old=True)
            orders = personal.orders_manager.get_all_orders()
            held.extend((order.to_dict(), name) for order in orders)
        self._ledger.adopt(held)
        self.portfolio.announce()
        self.portfolio.refresh()
        self.config.note_boot()

    # ---- from any thread

    def _on_status(self, status: Status) -> None:
        self.bot.note(status)
        json = self.bot.status().model_dump_json().encode()
        data = event_data(None, None, "bot", json)
        self._sink.publish(Event("bot", "bot_status", "bot", None, data, json))
