"""Typed adapter of one OctoBot object: create, boot, connect, shut down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import octobot.constants

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.factory import create_octobot, shut_down, wait_for_exchanges
from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.settings.model import Settings

OCTOBOT_VERSION: str = octobot.constants.VERSION


class Bot:
    """One OctoBot of one run, with its own event loop; used on that loop except for `create`."""

    __slots__ = ("_octobot", "loop")

    def __init__(self, octobot: Any) -> None:
        self._octobot = octobot
        self.loop: asyncio.AbstractEventLoop = octobot.task_manager.async_loop

    @property
    def matrix_id(self) -> str:
        """The id of the matrix in which OctoBot keeps evaluations, once it has booted."""
        return str(self._octobot.evaluator_producer.matrix_id)

    @classmethod
    def create(
        cls, settings: Settings, add_keys: Callable[[InMemoryKeysConfiguration], None]
    ) -> Bot:
        """Create the bot of the settings' folder; its loop does not run yet.

        `add_keys` adds to its configuration what must not be written to its files.
        """
        return cls(create_octobot(settings, add_keys))

    async def initialize(self) -> None:
        """Start the bot's parts; the exchanges connect on their own."""
        await self._octobot.initialize()

    async def connect(self) -> dict[str, Exchange]:
        """Return the configured exchanges, by name, once all are ready. Raises `BootFailed`."""
        return await wait_for_exchanges(self._octobot)

    async def shut_down(self) -> None:
        """Stop every running part of the bot, however far its boot had come."""
        await shut_down(self._octobot)
