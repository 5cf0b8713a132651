"""The bot's thread: boots an OctoBot on a loop of its own, runs work there, stops it cleanly."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from backend.bridge.quiet import OfflineCommunity  # first: it silences what is imported below

# ruff: isort: split
import octobot.commands
import octobot.community
import octobot.logger
import octobot.octobot
import octobot_services.api
import octobot_tentacles_manager.api
import octobot_trading.api as trading_api

from backend.bridge.connections import failed_connections
from backend.bridge.folder import prepare_folder, read_configuration
from backend.concurrency import Host
from backend.errors import BotNotReady, BotTimeout, Conflict, InvalidExchange, OrderStateUnknown
from backend.schemas.bot import BotState
from backend.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_RETRY_AFTER_S = (5, 10, 30, 60)

log = logging.getLogger(__name__)


class Status(NamedTuple):
    """The bot's state and, when something is wrong, why."""

    state: BotState
    reason: str | None = None


class BootFailed(Exception):
    """The bot did not become ready; the text may be shown to users."""


class Engine:
    """Owns the thread, the loop and the OctoBot on it.

    Everything that touches an OctoBot object runs on the loop through `run`;
    `bot`, `exchanges` and the callbacks given here are used on the loop only.
    """

    def __init__(
        self,
        settings: Settings,
        host: Host,
        *,
        on_ready: Callable[[], Coroutine[Any, Any, None]],
        on_status: Callable[[Status], None],
    ) -> None:
        self._settings = settings
        self._host = host
        self._on_ready = on_ready
        self._on_status = on_status
        self._status = Status("stopped")
        self._lifecycle = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retry: threading.Timer | None = None
        self._failures = 0
        self._kept: set[asyncio.Task[None]] = set()
        self.bot: Any = None
        self.exchanges: dict[str, Any] = {}

    @property
    def status(self) -> Status:
        """The present state; a thread that died unseen counts as failed."""
        status, thread = self._status, self._thread
        if status.state in ("running", "paused") and (thread is None or not thread.is_alive()):
            return Status("failed", "the bot's thread has ended")
        return status

    # ---- crossing in

    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a coroutine function on the bot's loop and return its result.

        Raises `BotNotReady` unless the bot runs (or is paused), `BotTimeout`
        when it takes longer than the settings allow; the work is then canceled.
        """
        loop = self._require_loop()
        future = asyncio.run_coroutine_threadsafe(function(*args, **kwargs), loop)
        try:
            return self._host.wait(future, self._settings.bot_timeout)
        except TimeoutError:
            future.cancel()
            raise BotTimeout("the bot did not answer in time") from None
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise BotNotReady("the bot was stopped meanwhile") from None

    def run_command(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run work that must not be cut short, such as an order on its way.

        When it takes too long it goes on, and `OrderStateUnknown` is raised:
        what became of it shows in the order list.
        """
        loop = self._require_loop()
        future = asyncio.run_coroutine_threadsafe(function(*args, **kwargs), loop)
        try:
            return self._host.wait(future, self._settings.bot_timeout)
        except TimeoutError:
            raise OrderStateUnknown("the exchange has not answered in time") from None
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise OrderStateUnknown("the bot was stopped meanwhile") from None

    def exchange(self, name: str | None) -> Any:
        """Return the named exchange, or the only one. Loop only; raises `InvalidExchange`."""
        if name is None:
            if len(self.exchanges) != 1:
                raise InvalidExchange(f"exchange: one of {', '.join(self.exchanges)}")
            return next(iter(self.exchanges.values()))
        if name not in self.exchanges:
            raise InvalidExchange(f"exchange: one of {', '.join(self.exchanges)}")
        return self.exchanges[name]

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Let work go on for as long as this run of the bot. Loop only."""
        task = asyncio.get_running_loop().create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    def require_ready(self) -> None:
        """Raise `BotNotReady` unless the bot runs or is paused."""
        self._require_loop()

    def _require_loop(self) -> asyncio.AbstractEventLoop:
        status, loop = self.status, self._loop
        if status.state not in ("running", "paused") or loop is None:
            raise BotNotReady(
                f"the bot is {status.state}" + (f": {status.reason}" if status.reason else "")
            )
        return loop

    # ---- lifecycle, from any thread

    def start(self) -> None:
        """Start the bot's thread and return at once; nothing happens when it runs."""
        with self._exclusive():
            self._start()

    def stop(self) -> None:
        """Stop the bot and wait until its thread has ended."""
        with self._exclusive():
            self._stop()

    def restart(self) -> None:
        """Stop, then start again in the same process."""
        with self._exclusive():
            self._stop()
            self._start()

    def set_paused(self, paused: bool, reason: str | None = None) -> None:
        """Note on the loop that trading is paused or goes on."""
        self._set_status(Status("paused" if paused else "running", reason))

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._lifecycle.acquire(timeout=0.05):
            raise Conflict("the bot is being started or stopped already")
        try:
            yield
        finally:
            self._lifecycle.release()

    def _start(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._thread is not None and self._thread.is_alive():
            return
        self._set_status(Status("starting"))
        self._thread = threading.Thread(target=self._main, name="octobot", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._failures = 0
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        thread, loop = self._thread, self._loop
        if thread is not None and thread.is_alive():
            self._set_status(Status("stopping"))
            if loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop closed itself meanwhile
                    asyncio.run_coroutine_threadsafe(self._shut_down(), loop)
            thread.join(_STOP_TIMEOUT_S + 5)
            if thread.is_alive():
                self._set_status(Status("failed", "the bot did not stop in time"))
                return
        self._thread = None
        self._set_status(Status("stopped"))

    def _set_status(self, status: Status) -> None:
        if status != self._status:
            self._status = status
            self._on_status(status)

    # ---- on the bot's thread

    def _main(self) -> None:
        try:
            configuration = self._configure()
            loop = self._create_bot(configuration)
            self._loop = loop
            loop.create_task(self._boot())
            loop.run_forever()
        except BaseException as error:
            log.exception("the bot's thread failed")
            self._set_status(Status("failed", f"boot failed ({type(error).__name__}), see the log"))
        finally:
            self._close_loop()
            if self._status.state in ("starting", "running", "paused"):
                self._set_status(Status("failed", "the bot's thread has ended"))

    def _configure(self) -> Any:
        folder = prepare_folder(self._settings)
        _enter(folder)
        return read_configuration(self._settings)

    def _create_bot(self, configuration: Any) -> asyncio.AbstractEventLoop:
        octobot.community.IdentifiersProvider.use_environment_from_config(configuration)
        octobot.logger.init_bot_channel_logger()
        octobot_tentacles_manager.api.reload_tentacle_info()  # or its first use fails, unheard
        if Path("tentacles").is_dir():
            octobot_tentacles_manager.api.load_tentacles(verbose=False)
            for interface in ("web", "telegram"):
                octobot_services.api.disable_interfaces(interface)
        community = None
        if not self._settings.octobot_community:
            community = OfflineCommunity.create(configuration)
        self.bot = octobot.octobot.OctoBot(configuration, community_authenticator=community)
        octobot.commands.set_global_bot_instance(self.bot)
        self.bot.task_manager.init_async_loop()
        loop: asyncio.AbstractEventLoop = self.bot.task_manager.async_loop
        asyncio.set_event_loop(loop)
        return loop

    async def _boot(self) -> None:
        try:
            await self.bot.initialize()
            await self._wait_for_exchanges()
            await self._on_ready()
        except BootFailed as failure:
            await self._give_up(str(failure), retry=True)
        except Exception as error:
            log.exception("the bot could not boot")
            await self._give_up(f"boot failed ({type(error).__name__}), see the log", retry=False)
        else:
            self._failures = 0
            self._set_status(Status("running"))

    async def _wait_for_exchanges(self) -> None:
        names = trading_api.get_enabled_exchanges_names(self.bot.config)
        deadline = asyncio.get_running_loop().time() + _READY_TIMEOUT_S
        with failed_connections() as failed:
            while len(self._ready_exchanges()) < len(names):
                if failed or asyncio.get_running_loop().time() > deadline:
                    missing = [name for name in names if name not in self._ready_exchanges()]
                    raise BootFailed(f"cannot connect to {', '.join(missing)}")
                await asyncio.sleep(0.02)
        self.exchanges = self._ready_exchanges()

    def _ready_exchanges(self) -> dict[str, Any]:
        managers = trading_api.get_exchange_managers_from_exchange_ids(
            self.bot.exchange_producer.exchange_manager_ids
        )
        return {manager.exchange_name: manager for manager in managers if manager.is_ready}

    async def _give_up(self, reason: str, *, retry: bool) -> None:
        self._set_status(Status("failed", reason))
        log.error("the bot failed: %s", reason)
        if retry:
            delay_s = _RETRY_AFTER_S[min(self._failures, len(_RETRY_AFTER_S) - 1)]
            self._failures += 1
            self._retry = threading.Timer(delay_s, self._start_again)
            self._retry.daemon = True
            self._retry.start()
        await self._shut_down()

    def _start_again(self) -> None:
        with contextlib.suppress(Conflict):  # someone starts or stops it by hand
            self.start()

    async def _shut_down(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(self._stop_bot(), _STOP_TIMEOUT_S)
        except Exception:
            log.exception("the bot did not stop cleanly")
        finally:
            loop.stop()

    async def _stop_bot(self) -> None:
        self.exchanges = {}  # nothing of ours may look at a bot that is being taken apart
        for task in self._kept:
            task.cancel()
        tools = self.bot.task_manager
        if tools.tools_task_group is not None:
            tools.tools_task_group.cancel()
        if self.bot.global_consumer is not None and self.bot.exchange_producer is not None:
            await self.bot.stop()
        if self.bot.community_handler is not None:
            await self.bot.community_handler.stop_task()
        if tools.executors is not None:
            tools.executors.shutdown(wait=False)

    def _close_loop(self) -> None:
        loop, self._loop = self._loop, None
        self.exchanges = {}
        if loop is None:
            return
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=2))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        asyncio.set_event_loop(None)


def _enter(folder: Path) -> None:
    """Make the bot's folder the working directory: OctoBot's paths are relative to it."""
    os.chdir(folder)
    if (folder / "tentacles").is_dir() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
