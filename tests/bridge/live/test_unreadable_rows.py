"""Accounts of which an exchange tells rows that nobody can read, in real trading."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backend.errors import ExchangeAnswerUnreadable
from backend.schemas.positions import ClosePosition, PositionQuery
from tests.bridge.live_bridge import BTC, LiveBridge, content, make_settings, wait_until
from tests.bridge.odd_exchange import NAME, World, install
from tests.exchanges.listings import CONTRACTS, LINEAR
from tests.exchanges.offline_bridge import KEYS, OfflineBridge
from tests.waiting import shutting_down

SYMBOL = LINEAR.symbol


def unreadable(live: LiveBridge) -> list[str]:
    """Return the warnings of rows that cannot be read."""
    return [text for text in live.bridge.bot.status().warnings if "cannot be read" in text]


def test_a_position_of_nulls_neither_keeps_the_bot_from_starting_nor_goes_unnamed(
    tmp_path: Path,
) -> None:
    settings = {"exchange_type": "future", "symbols": (SYMBOL,)}
    with shutting_down(OfflineBridge(tmp_path, settings=settings, listings=CONTRACTS)) as live:
        live.boot()
        live.place(symbol=SYMBOL, quantity="1")
        assert wait_until(lambda: live.bridge.positions.find(PositionQuery()))
        live.exchange.behave(null_position_rows=True)
        live.bridge.bot.restart()
        live.ready()

        (warning,) = unreadable(live)
        assert f"the position in {SYMBOL} cannot be read: its contracts are not told" in warning
        assert live.bridge.readiness().ready
        assert live.totals()
        with pytest.raises(ExchangeAnswerUnreadable):
            live.bridge.positions.close(SYMBOL, ClosePosition())

        live.exchange.behave(null_position_rows=False)
        assert wait_until(lambda: live.bridge.positions.find(PositionQuery()))
        (position,) = live.bridge.positions.find(PositionQuery())
        assert (position.side, position.quantity) == ("long", Decimal(1))
        assert wait_until(lambda: unreadable(live) == [])


@pytest.fixture
def spot(tmp_path: Path) -> Iterator[tuple[LiveBridge, World]]:
    world = install(World({BTC: "40000"}))
    world.balances = {
        "USDT": {"free": 900.5, "used": 0, "total": 900.5},
        "BTC": {"free": -0.25, "used": 0, "total": -0.25},
        "ADA": {"free": None, "used": None, "total": None},
    }
    settings = make_settings(tmp_path, exchange=(NAME,), symbols=(BTC,), trading="real")
    with shutting_down(LiveBridge(settings, keys=lambda: {NAME: KEYS})) as live:
        yield live.boot(), world


def test_owed_money_is_shown_and_an_unreadable_balance_is_named(
    spot: tuple[LiveBridge, World],
) -> None:
    live, world = spot
    assert live.totals() == {"USDT": Decimal("900.5"), "BTC": Decimal("-0.25")}
    (text,) = unreadable(live)
    assert "the balance of ADA cannot be read" in text
    assert any("the balance of BTC is below zero" in t for t in live.bridge.bot.status().warnings)
    portfolio = content(live.bridge.portfolio.summary())
    assert (portfolio["total_value"], portfolio["unpriced"]) == (None, ["ADA"])

    del world.balances["ADA"]
    live.bridge.portfolio.reload()
    assert content(live.bridge.portfolio.summary())["total_value"] == "-9099.5"
