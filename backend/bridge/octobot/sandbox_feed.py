"""OctoBot's websocket connector for the sandbox exchange."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from octobot_trading.enums import WebsocketFeeds
from octobot_trading.exchange_channel import get_chan
from octobot_trading.exchanges import CCXTWebsocketConnector

from backend.sandbox import SANDBOX

Push = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class SandboxFeed(CCXTWebsocketConnector):  # type: ignore[misc]  # OctoBot is untyped
    """Websocket connector that OctoBot finds by its exchange's name.

    TICKER stays out: OctoBot would then ignore trades, which carry the mark price. Updates of one
    loop iteration go to the bot's loop in one batch: a wake-up costs more than an update.
    """

    EXCHANGE_FEEDS: dict[Any, str] = {  # noqa: RUF012  # OctoBot's own declaration
        WebsocketFeeds.TRADES: WebsocketFeeds.TRADES.value,
        WebsocketFeeds.KLINE: WebsocketFeeds.KLINE.value,
        WebsocketFeeds.CANDLE: WebsocketFeeds.CANDLE.value,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pushes: list[Push] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def push_to_channel(self, channel_name: str, *args: Any, **kwargs: Any) -> None:
        """Queue an update for a channel of the bot: those of one iteration are pushed together."""
        if not self._pushes:
            asyncio.get_running_loop().call_soon(self._flush)
        producer = get_chan(channel_name, self.exchange_id).get_internal_producer()
        self._pushes.append(partial(_push, producer, *args, **kwargs))

    def _flush(self) -> None:
        pushes, self._pushes = self._pushes, []
        with contextlib.suppress(RuntimeError):  # the bot's loop has ended
            self.bot_mainloop.call_soon_threadsafe(self._start_pushes, pushes)

    def _start_pushes(self, pushes: list[Push]) -> None:
        """Create the task on the bot's loop: a late batch leaves no coroutine unawaited."""
        task = asyncio.get_running_loop().create_task(_push_all(pushes))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @classmethod
    def get_name(cls) -> str:
        """Return the exchange's id."""
        return SANDBOX


async def _push(producer: Any, *args: Any, **kwargs: Any) -> None:
    if producer.channel is not None:  # the bot was not stopped meanwhile
        await producer.push(*args, **kwargs)


async def _push_all(pushes: list[Push]) -> None:
    for push in pushes:
        try:
            await push()
        except Exception:  # the other updates are still pushed
            log.exception("an update of the sandbox's market could not be pushed")
        await asyncio.sleep(0)
