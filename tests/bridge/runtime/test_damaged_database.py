"""Orders of OctoBot's own strategies on a database that is found damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backend.errors import JournalDown
from tests.bridge.live_bridge import BTC, LiveBridge, make_settings
from tests.bridge.strategy_orders import place_as_strategy
from tests.waiting import shutting_down

RESTING = {"symbol": BTC, "current_price": Decimal(40_000), "price": Decimal(30_000)}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    """A bot of this test alone."""
    with shutting_down(LiveBridge(make_settings(tmp_path / "home"))) as live:
        yield live.boot().pin_all()


def test_a_strategy_places_nothing_once_the_database_is_damaged(live: LiveBridge) -> None:
    place_as_strategy("BUY_LIMIT", **RESTING)
    live.settle()
    before = live.balances()
    live.database.integrity.note(sqlite3.DatabaseError("database disk image is malformed"))
    with pytest.raises(Exception, match="the database is damaged"):
        place_as_strategy("BUY_LIMIT", **RESTING)
    with pytest.raises(JournalDown):
        live.place()
    assert live.balances() == before
