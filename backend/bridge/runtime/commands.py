"""User commands to the bot as a whole: status, start, stop, restart, pause, resume."""

from __future__ import annotations

import platform
from datetime import datetime

from backend import __version__
from backend.bridge.bot_warnings import BotWarnings
from backend.bridge.octobot.bot import OCTOBOT_VERSION
from backend.bridge.read_models.ttl_cache import TtlCache
from backend.bridge.runtime.lifecycle import BotLifecycle
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.status import Status
from backend.concurrency.host import Host
from backend.errors import Conflict, JournalDown, OrderStateUnknown
from backend.ports.serialized import SerializedResponse
from backend.schemas.bot import Bot, ExchangeReadiness, Readiness, Versions
from backend.schemas.common import utc_now
from backend.settings.model import Settings

_VERSIONS = Versions(backend=__version__, octobot=OCTOBOT_VERSION, python=platform.python_version())


class BotCommands:
    """User commands, each of which returns the resulting state."""

    def __init__(
        self,
        runner: BotRunner,
        settings: Settings,
        host: Host,
        lifecycle: BotLifecycle,
        warnings: BotWarnings,
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._host = host
        self._lifecycle = lifecycle
        self._warnings = warnings
        self._started_at: datetime | None = None
        self._cache = TtlCache(fresh_s=1.0)

    def status(self) -> Bot:
        """Return the bot's state; works in every state."""
        state, reason = self._runner.status
        ready = self._runner.exchanges
        names = sorted(set(self._settings.exchange) | set(ready)) if not ready else sorted(ready)
        return Bot(
            state=state,
            reason=reason,
            trading=self._settings.trading,
            started_at=self._started_at if state in ("running", "paused") else None,
            exchanges=[ExchangeReadiness(exchange=name, ready=name in ready) for name in names],
            loop_lag_ms=round(self._runner.lag_monitor.worst_lag_s * 1000),
            warnings=list(self._warnings.texts),
            versions=_VERSIONS,
        )

    def read(self) -> SerializedResponse:
        """Return the same, serialized: at most a second old, and new when the state changes."""
        ready, warnings = tuple(self._runner.exchanges), self._warnings.texts
        state = (self._runner.status, self._started_at, ready, warnings)
        return self._cache.get(state, lambda: self.status().model_dump_json().encode())

    def readiness(self) -> Readiness:
        """Return whether the bot can be used, and the reasons if not."""
        bot = self.status()
        ready = bot.state in ("running", "paused")
        missing = (
            [] if ready else [f"bot is {bot.state}" + (f": {bot.reason}" if bot.reason else "")]
        )
        missing += [
            f"exchange {row.exchange} is not connected" for row in bot.exchanges if not row.ready
        ]
        return Readiness(ready=ready and not missing, bot=bot.state, missing=missing)

    def start(self) -> Bot:
        """Start a stopped or failed bot; returns while it starts."""
        if self._runner.status.state in ("running", "paused", "starting"):
            raise Conflict(f"the bot is {self._runner.status.state}")
        self._host.call_blocking(self._runner.start)
        return self.status()

    def stop(self) -> Bot:
        """Stop the bot and wait until it has stopped; the API stays up."""
        if self._runner.status.state == "stopped":
            raise Conflict("the bot is stopped")
        self._host.call_blocking(self._runner.stop)
        return self.status()

    def restart(self) -> Bot:
        """Stop the bot and start it again; returns while it starts."""
        self._host.call_blocking(self._runner.restart)
        return self.status()

    def pause(self) -> Bot:
        """Place no new orders until resumed, also after restarts; open orders stay.

        Raises `JournalDown` when the pause holds but is not durable: a restart would forget it.
        """
        return self._set_paused(True)

    def resume(self) -> Bot:
        """Resume trading."""
        return self._set_paused(False)

    def _set_paused(self, paused: bool) -> Bot:
        wanted = "paused" if paused else "running"
        state = self._runner.status.state
        if state == wanted:
            raise Conflict(f"the bot is {state}")
        self._runner.executor.run(self._pause, paused)
        try:
            self._lifecycle.wait_until_durable()
        except OrderStateUnknown:
            raise JournalDown(f"the bot is {wanted}, but a restart would forget it") from None
        return self.status()

    # ---- on the bot's loop

    async def _pause(self, paused: bool) -> None:
        self._runner.set_paused(paused)

    def note_status(self, status: Status) -> None:
        """Set or clear the time since which the bot has been ready; from any thread."""
        if status.state in ("running", "paused") and self._started_at is None:
            self._started_at = utc_now()
        elif status.state in ("starting", "stopped", "failed"):
            self._started_at = None
