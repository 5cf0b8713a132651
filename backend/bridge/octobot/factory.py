"""Creation and shutdown of the OctoBot object, in its folder and with its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.bridge.octobot.offline import (
    OfflineCommunity,  # first: it silences the imports below
)

# ruff: isort: split
import async_channel.channels
import octobot.commands
import octobot.community
import octobot.logger
import octobot.octobot
import octobot_services.api
import octobot_services.channel
import octobot_tentacles_manager.api
import octobot_trading.api as trading_api
import uvloop

import backend.bridge.octobot.sandbox_feed  # noqa: F401 - OctoBot searches the subclasses
from backend.bridge.octobot.connection_errors import failed_connections
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.bridge.octobot.known_exchanges import is_known
from backend.bridge.octobot.patches.client_reads import observe_clients
from backend.bridge.octobot.patches.futures_support import allow_futures
from backend.bridge.octobot.patches.stop_restore import leave_our_stops
from backend.bridge.octobot.user_folder import prepare_folder, read_configuration
from backend.bridge.status import BootFailed
from backend.settings.model import Settings

_READY_TIMEOUT_S = 60.0
_POLL_S = 0.02
_SOCKET_LOOPS_WITHIN_S = 3


def create_octobot(
    settings: Settings, add_keys: Callable[[InMemoryKeysConfiguration], None]
) -> Any:
    """Create the bot of the settings' folder, with its own loop that does not run yet.

    `add_keys` adds to its configuration what must not be written to its files.
    """
    _change_directory(prepare_folder(settings))
    configuration = read_configuration(settings)
    observe_clients()
    allow_futures()
    leave_our_stops()
    add_keys(configuration)
    octobot.community.IdentifiersProvider.use_environment_from_config(configuration)
    octobot.logger.init_bot_channel_logger()
    _silence_debug_lines()
    octobot_tentacles_manager.api.reload_tentacle_info()  # its first use fails otherwise, unlogged
    if Path("tentacles").is_dir():
        octobot_tentacles_manager.api.load_tentacles(verbose=False)
        for interface in ("web", "telegram"):
            octobot_services.api.disable_interfaces(interface)
    community = None if settings.octobot_community else OfflineCommunity.create(configuration)
    bot = octobot.octobot.OctoBot(configuration, community_authenticator=community)
    octobot.commands.set_global_bot_instance(bot)
    _set_loop(bot.task_manager)
    return bot


def _set_loop(tools: Any) -> None:
    """Replace `init_async_loop`, with a uvloop: an order takes a tenth less time."""
    tools.async_loop = uvloop.new_event_loop()
    tools.async_loop.set_exception_handler(tools._loop_exception_handler)


def _silence_debug_lines() -> None:
    """Skip the log lines of each order, trade and balance unless the debug level is logged.

    Their consumers stay: OctoBot would stop fetching these without them.
    """
    if not octobot.logger.BOT_CHANNEL_LOGGER.logger.isEnabledFor(logging.DEBUG):
        for name in ("orders", "trades", "balance", "positions"):
            setattr(octobot.logger, f"{name}_callback", _log_nothing)


async def _log_nothing(**_event: object) -> None:
    """Replace the callback that writes such a line."""


async def wait_for_exchanges(bot: Any) -> dict[str, Exchange]:
    """Return all configured exchanges, by name, once they are ready.

    Raises `BootFailed` when the bot gives one up or takes too long.
    """
    names = trading_api.get_enabled_exchanges_names(bot.config)
    deadline = asyncio.get_running_loop().time() + _READY_TIMEOUT_S
    with failed_connections() as failed:
        while len(ready := _ready_exchanges(bot)) < len(names):
            if failed or asyncio.get_running_loop().time() > deadline:
                raise BootFailed(_missing_text([name for name in names if name not in ready]))
            await asyncio.sleep(_POLL_S)
    return {name: Exchange(manager) for name, manager in ready.items()}


def _missing_text(names: list[str]) -> str:
    unknown = [name for name in names if not is_known(name)]
    hint = f": ccxt knows no exchange {', '.join(unknown)}" if unknown else ""
    return f"cannot connect to {', '.join(names)}{hint}"


async def shut_down(bot: Any) -> None:
    """Stop every running part of the bot, however far its boot had come."""
    tools = bot.task_manager
    if tools.tools_task_group is not None:
        tools.tools_task_group.cancel()
    try:
        if bot.global_consumer is not None and bot.exchange_producer is not None:
            await _wait_for_socket_loops(bot)
            await bot.stop()
    finally:
        await _remove_notifiers()
    if bot.community_handler is not None:
        await bot.community_handler.stop_task()
    if tools.executors is not None:
        tools.executors.shutdown(wait=False)


async def _wait_for_socket_loops(bot: Any) -> None:
    """Wait until each socket's thread has its loop: stopped before, it would never end."""
    sockets = [
        socket
        for manager in trading_api.get_exchange_managers_from_exchange_ids(
            bot.exchange_producer.exchange_manager_ids
        )
        if manager.exchange_web_socket is not None
        for socket in manager.exchange_web_socket.websocket_connectors
    ]
    deadline = asyncio.get_running_loop().time() + _SOCKET_LOOPS_WITHIN_S
    while any(socket.local_loop is None for socket in sockets):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(_POLL_S)


async def _remove_notifiers() -> None:
    """Empty the channel that outlives a bot: consumers on a closed loop fail the next boot."""
    name = octobot_services.channel.NotificationChannel.get_name()
    with contextlib.suppress(KeyError):
        channel = async_channel.channels.get_chan(name)
        for consumer in channel.get_consumers():
            await channel.remove_consumer(consumer)


def _change_directory(folder: Path) -> None:
    """Change the working directory to the bot's folder: OctoBot's paths are relative to it."""
    os.chdir(folder)
    if (folder / "tentacles").is_dir() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _ready_exchanges(bot: Any) -> dict[str, Any]:
    managers = trading_api.get_exchange_managers_from_exchange_ids(
        bot.exchange_producer.exchange_manager_ids
    )
    return {manager.exchange_name: manager for manager in managers if manager.is_ready}
