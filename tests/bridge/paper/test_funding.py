"""Funding of paper positions: what fell due is paid once, however often the bot starts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from backend.bridge.paper.position_tracker import FUNDING_EVERY, FUNDING_RATE
from backend.ports.journal import Batch, StoredPosition
from backend.schemas.common import utc_now
from backend.store.journal import Journal
from tests.bridge.futures_trader import BTC, START, Trader, futures_settings
from tests.bridge.live_bridge import wait_until
from tests.waiting import shutting_down

ACCOUNT = "sandbox:future:paper"


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Trader]:
    """A bot that is not yet booted, and whose prices stand still."""
    settings = futures_settings(tmp_path / "home", symbols=(BTC,), sandbox_speed=1e-6)
    with shutting_down(Trader(settings)) as trader:
        yield trader


def last_due() -> datetime:
    """Return when funding was last due."""
    now = utc_now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return now - (now - midnight) % FUNDING_EVERY


def test_funding_that_fell_due_meanwhile_is_paid_once(trader: Trader) -> None:
    funded_at = last_due() - FUNDING_EVERY - timedelta(minutes=1)  # two are due since
    body = {
        "quantity": "-0.5",
        "cost": "20000",
        "realized": "-20",
        "leverage": "2",
        "margin_mode": "isolated",
        "opened_at": funded_at.isoformat(),
        "funded_at": funded_at.isoformat(),
    }
    journal = Journal(trader.database)
    journal.open_account(ACCOUNT, {"USDT": START})
    journal.record(Batch(positions=[StoredPosition(ACCOUNT, BTC, body)]))
    journal.close()
    trader.bridge.sandbox.pin(BTC, D(40000))

    trader.boot()

    received = 2 * D("0.5") * 40000 * FUNDING_RATE  # a short position receives it
    assert received == D(4)
    assert wait_until(lambda: trader.position().realized_pnl == -20 + received)
    assert wait_until(lambda: trader.totals()["USDT"] == START + received)
    trader.await_told(0, "position_updated", "position_updated")
    trader.bridge.bot.restart()
    trader.ready()
    assert wait_until(lambda: trader.position().mark_price == 40000)
    assert trader.position().realized_pnl == -20 + received
    assert trader.totals()["USDT"] == START + received
