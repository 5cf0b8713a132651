"""POST /portfolio/refresh in real trading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backend.sandbox.matching.faults import Fault
from backend.store import opening_prices as openings
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import START, wait_until

pytestmark = [pytest.mark.long, pytest.mark.every_line]

Start = Callable[..., AppWithBot]


@pytest.fixture
def real(fresh: Start) -> Iterator[AppWithBot]:
    """A bot that trades with an account at the sandbox."""
    app_with_bot = fresh(trading="real")
    yield app_with_bot
    app_with_bot.live.bridge.sandbox.faults.clear()


def test_the_exchange_is_asked(real: AppWithBot) -> None:
    (exchange,) = real.viewer.post("/portfolio/refresh")["exchanges"]
    totals = {row["asset"]: Decimal(row["total"]) for row in exchange["balances"]}
    assert totals == START


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault.TIMEOUT_BEFORE, 502, "exchange_unreachable"),
        (Fault.DISCONNECTION, 502, "exchange_unreachable"),
        (Fault.RATE_LIMIT, 503, "exchange_rate_limited"),
        (Fault.CLOCK_SKEW, 502, "exchange_refused"),
        (Fault.REJECTION, 502, "exchange_refused"),
    ],
)
def test_an_exchange_that_does_not_tell_is_named(
    real: AppWithBot, fault: Fault, status: int, kind: str
) -> None:
    real.live.bridge.sandbox.faults.inject(fault, "fetch_balance", times=1)
    assert real.viewer.post("/portfolio/refresh", expect=status)["type"] == kind
    assert real.viewer.post("/portfolio/refresh")["total_value"] != "0"


def test_a_real_account_begins_with_what_it_holds(
    real: AppWithBot, fresh: Start, tmp_path: Path
) -> None:
    real.live.place(quantity="1")
    assert wait_until(lambda: real.live.totals()["BTC"] > START["BTC"])
    totals = real.live.totals()
    # another database knows nothing of the account
    again = fresh(trading="real", database_url=f"sqlite:///{tmp_path}/other.db")
    held = again.live.database.read(openings.list_balances, ["sandbox:real"], "USDT")
    assert {row.asset: row.quantity for row in held} == totals
