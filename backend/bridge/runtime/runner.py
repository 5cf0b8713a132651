"""Runner of the bot: one OctoBot on its own thread and loop, started, stopped, retried."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from backend.bridge.counters import Counters
from backend.bridge.octobot.bot import Bot
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.runtime.lag_monitor import LagMonitor
from backend.bridge.runtime.lifecycle import BotLifecycle
from backend.bridge.runtime.loop_executor import LoopExecutor
from backend.bridge.status import BootFailed, Status
from backend.concurrency.host import Host
from backend.errors import BotNotReady, Conflict, InvalidExchange
from backend.settings.model import Settings

_STOP_TIMEOUT_S = 10.0
_CANCEL_TIMEOUT_S = 2.0
_RETRY_AFTER_S = (5, 10, 30, 60)

log = logging.getLogger(__name__)


class BotRunner:
    """Owns the thread, the loop and the OctoBot on it.

    Every use of an OctoBot object runs on the loop through `executor`; `bot` and `exchanges` are
    used on the loop only. A `pause` lasts from one run to the next, until `set_paused` ends it.
    """

    def __init__(
        self,
        settings: Settings,
        host: Host,
        lifecycle: BotLifecycle,
        *,
        pause: Status | None = None,
    ) -> None:
        self._settings = settings
        self._lifecycle = lifecycle
        self._status = Status("stopped")
        self._pause = pause
        self._switching = threading.Lock()
        self._status_lock = threading.RLock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._stop_request: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._retry: threading.Timer | None = None
        self._failures = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.executor = LoopExecutor(host, settings.bot_timeout, lambda: self.status)
        self.lag_monitor = LagMonitor()
        self.counters = Counters()
        self.bot: Bot  # of the newest run
        self.exchanges: dict[str, Exchange] = {}

    @property
    def status(self) -> Status:
        """The present state; a thread that died unnoticed counts as failed."""
        status, thread = self._status, self._thread
        if status.state in ("running", "paused") and (thread is None or not thread.is_alive()):
            return Status("failed", "the bot's thread has ended")
        return status

    def exchange(self, name: str | None) -> Exchange:
        """Return the named exchange, or the only one. Loop only.

        Raises `InvalidExchange`, and `BotNotReady` while there is none at all.
        """
        if not self.exchanges:  # a restart began after the caller's check
            raise BotNotReady("no exchange is connected")
        if name is None:
            if len(self.exchanges) != 1:
                raise InvalidExchange(f"exchange: one of {', '.join(self.exchanges)}")
            return next(iter(self.exchanges.values()))
        if name not in self.exchanges:
            raise InvalidExchange(f"exchange: one of {', '.join(self.exchanges)}")
        return self.exchanges[name]

    def create_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a background task that is canceled when this run of the bot ends. Loop only."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- from any thread; all but `close` raise Conflict during another start or stop

    def start(self) -> None:
        """Start the bot's thread unless it runs; waits for the end of a failed one."""
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

    def close(self) -> None:
        """Stop the bot for good, after a start or stop in progress."""
        self._closed = True
        with self._exclusive(wait_s=-1):
            self._stop()

    def set_paused(self, paused: bool, reason: str | None = None) -> None:
        """Pause or resume trading. Loop only."""
        self._pause = Status("paused", reason) if paused else None
        self._set_status(self._pause or Status("running"))

    @contextlib.contextmanager
    def _exclusive(self, wait_s: float = 0.05) -> Iterator[None]:
        if not self._switching.acquire(timeout=wait_s):
            raise Conflict("the bot is being started or stopped already")
        try:
            yield
        finally:
            self._switching.release()

    def _start(self) -> None:
        self._cancel_retry()
        if self._closed or (self._is_alive() and self._status.state != "failed"):
            return
        if not self._join():
            return
        self._set_status(Status("starting"))
        self._stop_request = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._main, name="octobot", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._failures = 0
        self._cancel_retry()
        if self._is_alive():
            self._set_status(Status("stopping"))
            _request(self._stop_request)
        if self._join():
            self._cancel_retry()  # of a boot that failed meanwhile
            self._set_status(Status("stopped"))

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _join(self) -> bool:
        """Wait for the thread to end, if there is one; return whether it has."""
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S + 5)
            if self._thread.is_alive():
                self._set_status(Status("failed", "the bot did not stop in time"))
                return False
            self._thread = None
        return True

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _set_status(self, status: Status) -> None:
        with self._status_lock:
            if status != self._status:
                self._status = status
                self._lifecycle.on_status(status)

    # ---- on the bot's thread

    def _main(self) -> None:
        loop = None
        try:
            self.bot = bot = Bot.create(self._settings, self._lifecycle.add_keys)
            loop = bot.loop
            asyncio.set_event_loop(loop)
            self.executor.open(loop, self._settings.bot_queue)
            loop.run_until_complete(self._run(bot, self._stop_request))
        except BootFailed as failure:
            self._fail(str(failure))
        except BaseException as error:
            log.exception("the bot's thread failed")
            starting = self._status.state == "starting"
            self._fail(_boot_failure(error) if starting else "the bot's thread has ended")
        finally:
            if loop is not None:
                self._close_loop(loop)

    async def _run(self, bot: Bot, stop_request: concurrent.futures.Future[None]) -> None:
        """Boot, run until the stop request, shut the bot down."""
        boot = asyncio.ensure_future(self._boot(bot, stop_request))
        try:
            await asyncio.wrap_future(stop_request)
        finally:
            self.lag_monitor.stop()
            self.exchanges = {}  # none of our code may use a bot that is being shut down
            for task in (boot, *self._tasks):
                task.cancel()
            await asyncio.wait([boot], timeout=_CANCEL_TIMEOUT_S)
            try:
                await asyncio.wait_for(bot.shut_down(), _STOP_TIMEOUT_S)
            except Exception:  # the thread ends all the same
                log.exception("the bot did not stop cleanly")

    async def _boot(self, bot: Bot, stop_request: concurrent.futures.Future[None]) -> None:
        try:
            await bot.initialize()
            self.exchanges = await bot.connect()
            await self._lifecycle.restore()
        except BootFailed as failure:
            self._fail(str(failure))
            self._retry_later()
            _request(stop_request)
        except Exception as error:  # after any error the API continues to serve
            log.exception("the bot could not boot")
            self._fail(_boot_failure(error))
            _request(stop_request)
        else:
            self._failures = 0
            self.lag_monitor.start()
            self._set_outcome(self._pause or Status("running"))

    def _fail(self, reason: str) -> None:
        if self._set_outcome(Status("failed", reason)):
            log.error("the bot failed: %s", reason)

    def _set_outcome(self, status: Status) -> bool:
        """Set the outcome of a boot or run, unless the bot is being stopped or has failed."""
        with self._status_lock:
            is_first = self._status.state not in ("stopping", "failed")
            if is_first:
                self._set_status(status)
            return is_first

    def _retry_later(self) -> None:
        delay_s = _RETRY_AFTER_S[min(self._failures, len(_RETRY_AFTER_S) - 1)]
        self._failures += 1
        self._retry = threading.Timer(delay_s, self._retry_start)
        self._retry.daemon = True
        self._retry.start()

    def _retry_start(self) -> None:
        with contextlib.suppress(Conflict):  # a user is starting or stopping it
            self.start()

    def _close_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the tasks left on the loop, close it, and fail its waiting callers."""
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_STOP_TIMEOUT_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        # OctoBot's exception handler logs, which crashes Python when it exits with an
        # unretrieved failed task
        loop.set_exception_handler(lambda _loop, _context: None)
        loop.close()
        asyncio.set_event_loop(None)
        self.executor.close()


def _request(stop: concurrent.futures.Future[None]) -> None:
    with contextlib.suppress(concurrent.futures.InvalidStateError):  # requested before
        stop.set_result(None)


def _boot_failure(error: BaseException) -> str:
    if isinstance(error, BootFailed):
        return str(error)
    return f"boot failed ({type(error).__name__}), see the log"
