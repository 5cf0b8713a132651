"""Boots an OctoBot on an installed market, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import backend.bridge  # first: it silences OctoBot before its import

# ruff: isort: split
import octobot.commands
import octobot.community
import octobot.constants
import octobot.logger
import octobot.octobot
import octobot_commons.configuration
import octobot_commons.constants
import octobot_tentacles_manager.api
import octobot_trading.api
from octobot_commons.configuration import encrypt
from octobot_trading.exchange_channel import get_chan

from backend.bridge.octobot.offline import OfflineCommunity
from tests.waiting import wait_until

_TIMEOUT_S = 60
assert backend.bridge


class Bot:
    """A running OctoBot with one exchange, `manager`; `run` works on its loop."""

    def __init__(self, folder: Path, symbols: list[str], keys: tuple[str, str] | None) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self.manager: Any = None
        self.octobot: Any = None
        _write_folder(folder, symbols, keys)
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self) -> Bot:
        self._left = Path.cwd()
        os.chdir(self._folder)
        self._thread.start()
        assert self._ready.wait(_TIMEOUT_S)
        if self._failure:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        sockets = self.manager.exchange_web_socket.websocket_connectors
        # stopped before their threads have loops, they would never end
        assert wait_until(lambda: all(socket.local_loop is not None for socket in sockets))
        self.run(self.octobot.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT_S)
        os.chdir(self._left)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_TIMEOUT_S)

    async def consume(self, channel: str) -> list[dict[str, Any]]:
        """Collect the events of a channel from now on."""
        events: list[dict[str, Any]] = []

        async def collect(**event: Any) -> None:
            events.append(event)

        await get_chan(channel, self.manager.id).new_consumer(collect)
        return events

    def _main(self) -> None:
        try:
            self._create()
        except BaseException as failure:  # handed to the thread that waits
            self._failure = failure
            self._ready.set()
            return
        self._loop.create_task(self._initialize())
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:  # pending ones crash Python 3.11 when it exits
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=2))
        self._loop.close()

    def _create(self) -> None:
        config = octobot_commons.configuration.Configuration(
            octobot_commons.configuration.get_user_config(),
            octobot_commons.constants.USER_PROFILES_FOLDER,
            octobot.constants.CONFIG_FILE_SCHEMA,
            octobot.constants.PROFILE_FILE_SCHEMA,
        )
        config.read()
        octobot.community.IdentifiersProvider.use_environment_from_config(config)
        octobot.logger.init_bot_channel_logger()
        octobot_tentacles_manager.api.reload_tentacle_info()
        community = OfflineCommunity.create(config)
        self.octobot = octobot.octobot.OctoBot(config, community_authenticator=community)
        octobot.commands.set_global_bot_instance(self.octobot)
        self.octobot.task_manager.init_async_loop()
        self._loop = self.octobot.task_manager.async_loop
        asyncio.set_event_loop(self._loop)

    async def _initialize(self) -> None:
        try:
            await self.octobot.initialize()
            ids = self.octobot.exchange_producer.exchange_manager_ids
            while not (
                managers := octobot_trading.api.get_exchange_managers_from_exchange_ids(ids)
            ):
                await asyncio.sleep(0.02)
            self.manager = managers[0]
            while not self.manager.is_ready:
                await asyncio.sleep(0.02)
        except BaseException as failure:  # handed to the thread that waits
            self._failure = failure
        self._ready.set()


def _write_folder(folder: Path, symbols: list[str], keys: tuple[str, str] | None) -> None:
    api_key, secret = (encrypt(key).decode() for key in keys) if keys else ("", "")
    currencies: dict[str, Any] = {}
    for symbol in symbols:
        entry = currencies.setdefault(symbol.split("/")[0], {"enabled": True, "pairs": []})
        entry["pairs"].append(symbol)
    profile_config = {
        "crypto-currencies": currencies,
        "exchanges": {"sandbox": {"enabled": True, "exchange-type": "spot"}},
        "trader": {"enabled": keys is not None, "load-trade-history": True},
        "trader-simulator": {
            "enabled": keys is None,
            "fees": {"maker": 0.1, "taker": 0.1},
            "starting-portfolio": {"USDT": 10000, "BTC": 1},
        },
        "trading": {"reference-market": "USDT", "risk": 0.5},
    }
    kinds = ("Backtesting", "Evaluator", "Meta", "Services", "Trading")
    files = {
        "user/config.json": {
            "accepted_terms": True,
            "backtesting": {"files": []},
            "exchanges": {
                "sandbox": {"api-key": api_key, "api-secret": secret, "sandboxed": False}
            },
            "metrics": {"enabled": False},
            "notification": {"global-info": False, "notification-type": []},
            "profile": "test",
            "services": {},
        },
        "user/profiles/test/profile.json": {
            "profile": {"id": "test", "name": "test", "description": "", "avatar": ""},
            "config": profile_config,
        },
        "user/profiles/test/tentacles_config.json": {
            "tentacle_activation": {kind: {} for kind in kinds},
            "registered_tentacles": {},
            "installation_context": {"octobot_version": octobot.constants.LONG_VERSION},
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
