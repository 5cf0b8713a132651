"""Orders that are created and edited through OctoBot itself, as its strategies do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import octobot.commands
import octobot_trading.api
import octobot_trading.personal_data as personal_data
from octobot_trading.enums import TraderOrderType

_TIMEOUT_S = 60


def exchange_manager() -> Any:
    """Return OctoBot's manager of its one exchange."""
    ids = octobot.commands.GLOBAL_BOT_INSTANCE.exchange_producer.exchange_manager_ids
    (manager,) = octobot_trading.api.get_exchange_managers_from_exchange_ids(ids)
    return manager


def run_on_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on the bot's loop and return its result."""
    loop = octobot.commands.GLOBAL_BOT_INSTANCE.task_manager.async_loop
    return asyncio.run_coroutine_threadsafe(work, loop).result(_TIMEOUT_S)


def place_as_strategy(kind: str, **fields: Any) -> Any:
    """Create an order of one of OctoBot's types, such as SELL_MARKET."""
    trader = exchange_manager().trader

    async def create() -> Any:
        order = personal_data.create_order_instance(
            trader, TraderOrderType[kind], **{"quantity": Decimal("0.01"), **fields}
        )
        return await trader.create_order(order, raise_all_creation_error=True)

    return run_on_loop(create())


def edit_as_strategy(order: Any, **edited: Any) -> Any:
    """Edit an order of OctoBot."""
    return run_on_loop(exchange_manager().trader.edit_order(order, **edited))
