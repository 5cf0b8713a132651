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
    """OctoBot finds this class by its name; it drives whatever market is installed.

    TICKER stays out: OctoBot would then ignore trades, which carry the mark price.
    What comes together goes to the bot's loop together: to wake it costs more than the news.
    """

    EXCHANGE_FEEDS: dict[Any, str] = {  # noqa: RUF012  # OctoBot's own declaration
        WebsocketFeeds.TRADES: WebsocketFeeds.TRADES.value,
        WebsocketFeeds.KLINE: WebsocketFeeds.KLINE.value,
        WebsocketFeeds.CANDLE: WebsocketFeeds.CANDLE.value,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pushes: list[Push] = []
        self._telling: set[asyncio.Task[None]] = set()

    async def push_to_channel(self, channel_name: str, *args: Any, **kwargs: Any) -> None:
        """Tell a channel of the bot, with all else that is told in this turn of the feed's loop."""
        if not self._pushes:
            asyncio.get_running_loop().call_soon(self._hand_over)
        producer = get_chan(channel_name, self.exchange_id).get_internal_producer()
        self._pushes.append(partial(_push, producer, *args, **kwargs))

    def _hand_over(self) -> None:
        pushes, self._pushes = self._pushes, []
        with contextlib.suppress(RuntimeError):  # the bot's loop has ended
            self.bot_mainloop.call_soon_threadsafe(self._tell, pushes)

    def _tell(self, pushes: list[Push]) -> None:
        """Begin on the bot's loop: what does not come to this leaves nothing to be awaited."""
        task = asyncio.get_running_loop().create_task(_in_turn(pushes))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    @classmethod
    def get_name(cls) -> str:
        """Return the exchange's id."""
        return SANDBOX


async def _push(producer: Any, *args: Any, **kwargs: Any) -> None:
    if producer.channel is not None:  # the bot was not stopped meanwhile
        await producer.push(*args, **kwargs)


async def _in_turn(pushes: list[Push]) -> None:
    for push in pushes:
        try:
            await push()
        except Exception:  # the others are news all the same
            log.exception("a change of the sandbox's market could not be told")
        await asyncio.sleep(0)
