"""The portfolio's history across starts and stops of the bot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from backend.schemas.common import decimal_text, time_text
from backend.store import snapshots
from tests.app_with_bot import Office
from tests.bridge.live_bridge import wait_until

Start = Callable[..., Office]


def test_a_value_is_taken_soon_after_the_start_and_kept(fresh: Start) -> None:
    office = fresh(snapshot_interval=3600)
    assert wait_until(lambda: office.viewer.get("/portfolio/history"))
    (first,) = office.viewer.get("/portfolio/history", interval="1m")
    office = fresh(snapshot_interval=3600)
    assert wait_until(lambda: len(kept(office)) == 2)
    assert kept(office)[-1] == (first["time"], first["total_value"])


def kept(office: Office) -> list[tuple[str, str]]:
    found = office.live.database.read(
        snapshots.of_account, "sandbox:paper", timedelta(seconds=1), 9
    )
    return [(time_text(row.taken_at), decimal_text(row.total_value)) for row in found]


def test_history_can_be_read_while_the_bot_is_stopped(fresh: Start) -> None:
    office = fresh()
    assert wait_until(lambda: office.viewer.get("/portfolio/history"))
    office.live.bridge.bot.stop()
    assert len(office.viewer.get("/portfolio/history")) == 1


def test_a_stopped_bot_cannot_refresh(fresh: Start) -> None:
    office = fresh()
    office.live.bridge.bot.stop()
    assert office.viewer.post("/portfolio/refresh", expect=503)["type"] == "bot_not_ready"
