"""A futures account in hedge mode is refused with the reason, not shown as empty."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import ccxt.async_support
import pytest

from backend.bridge.octobot.position_mode import is_hedged
from tests.bridge.live_bridge import wait_until
from tests.exchanges.exchange import FILE, NAME, OfflineExchange
from tests.exchanges.listings import LINEAR
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

FUTURES = {"exchange_type": "future", "symbols": (LINEAR.symbol,)}


def open_long(tmp_path: Path, **switches: Any) -> None:
    OfflineExchange.create(
        tmp_path / FILE, listings=(LINEAR,), deposits={"USDT": "100000"}, **switches
    ).install()
    client = getattr(ccxt.async_support, NAME)({"apiKey": "k", "secret": "s"})
    asyncio.run(client.create_order(LINEAR.symbol, "market", "buy", 5))


@pytest.mark.parametrize("hedged", [True, False])
def test_the_bot_says_why_it_does_not_start(tmp_path: Path, hedged: bool) -> None:
    open_long(tmp_path, hedged=hedged)
    with shutting_down(OfflineBridge(tmp_path, settings=FUTURES)) as live:
        live.bridge.boot()
        if not hedged:
            live.ready()
            assert live.bridge.positions.get(LINEAR.symbol, None).side == "long"
            return
        assert wait_until(lambda: live.bridge.bot.status().state == "failed")
        assert live.bridge.bot.status().reason == (
            f"{NAME} keeps long and short positions apart (hedge mode): "
            "set the account to one-way mode"
        )


class Client:
    """A ccxt client that tells its position mode, and no positions."""

    has = {"fetchPositionMode": True}  # noqa: RUF012

    async def fetch_position_mode(self, symbol: str) -> dict[str, bool]:
        return {"hedged": True}


def test_exchanges_that_tell_the_mode_are_asked_for_it() -> None:
    assert asyncio.run(is_hedged(Client(), [LINEAR.symbol]))


def test_an_exchange_that_does_not_answer_is_taken_for_one_way(tmp_path: Path) -> None:
    open_long(tmp_path, hedged=True, maintenance=False)
    client = getattr(ccxt.async_support, NAME)({"apiKey": "k", "secret": "s"})
    assert asyncio.run(is_hedged(client, [LINEAR.symbol]))
    OfflineExchange(tmp_path / FILE).behave(maintenance=True)
    assert not asyncio.run(is_hedged(client, [LINEAR.symbol]))
