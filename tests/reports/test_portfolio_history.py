"""GET /portfolio/history: values by interval, page by page."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from backend.pagination import encode_cursor
from backend.schemas.common import time_text, utc_now
from backend.store import snapshots
from backend.store.snapshots import Snapshot
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import wait_until

# yesterday: young enough for none of its snapshots to be thinned away
MIDNIGHT = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture(scope="module")
def app_with_history(shared: AppWithBot) -> AppWithBot:
    """An account with a day of snapshots, one of each ten minutes."""
    assert wait_until(lambda: shared.viewer.get("/portfolio/history"))
    rows = [
        Snapshot(
            "sandbox:paper", MIDNIGHT + timedelta(minutes=10 * number), "USDT", Decimal(number)
        )
        for number in range(144)
    ]
    others = [row._replace(account="sandbox:real") for row in rows]
    shared.live.database.write(snapshots.insert_all, rows + others)
    return shared


def values(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["total_value"]) for row in rows]


def day(hour: int) -> str:
    return (MIDNIGHT + timedelta(hours=hour)).isoformat()


def test_each_interval_shows_its_last_value(app_with_history: AppWithBot) -> None:
    rows = app_with_history.viewer.get("/portfolio/history", interval="1h", until=day(3))
    assert rows == [
        {
            "time": time_text(MIDNIGHT + timedelta(hours=hour, minutes=50)),
            "total_value": str(hour * 6 + 5),
            "reference_market": "USDT",
        }
        for hour in (2, 1, 0)
    ]


@pytest.mark.parametrize(
    ("interval", "found"),
    [
        ("5m", [17, 16, 15, 14, 13, 12]),
        ("10m", None),
        ("30m", [17, 14]),
        ("1h", [17]),
        ("2h", [17]),
        ("1d", [17]),
    ],
)
def test_intervals_between_two_times(
    app_with_history: AppWithBot, interval: str, found: list[int] | None
) -> None:
    query = {"interval": interval, "since": day(2), "until": day(3)}
    status = 400 if found is None else 200
    answer = app_with_history.viewer.get("/portfolio/history", expect=status, **query)
    assert (answer["type"] if found is None else values(answer)) == (found or "validation_error")


@pytest.mark.parametrize("limit", [1, 7, 24, 500])
def test_pages_go_back_without_gap_or_repeat(app_with_history: AppWithBot, limit: int) -> None:
    query: dict[str, Any] = {"interval": "1h", "limit": limit, "since": day(0), "until": day(24)}
    found: list[int] = []
    while True:
        answer = app_with_history.viewer.request(
            "GET", "/portfolio/history", query_string=query
        ).json
        assert answer["pagination"]["limit"] == limit
        assert len(answer["data"]) <= limit
        found += values(answer["data"])
        if answer["pagination"]["next_cursor"] is None:
            break
        query["cursor"] = answer["pagination"]["next_cursor"]
    assert found == list(range(143, 0, -6))


def test_new_values_do_not_shift_later_pages(app_with_history: AppWithBot) -> None:
    query = {"interval": "1m", "limit": 1}
    first = app_with_history.viewer.request("GET", "/portfolio/history", query_string=query).json
    query["cursor"] = first["pagination"]["next_cursor"]
    second = app_with_history.viewer.get("/portfolio/history", **query)
    newest = app_with_history.viewer.get("/portfolio/history", interval="1m", limit=1)[0]["time"]
    assert wait_until(lambda: app_with_history.viewer.get("/portfolio/history", **query) == second)
    assert second[0]["time"][:16] < first["data"][0]["time"][:16] <= newest[:16]


@pytest.mark.parametrize(
    "query",
    [
        {"interval": "1w"},
        {"interval": ""},
        {"limit": "0"},
        {"limit": "501"},
        {"cursor": "nonsense"},
        {"cursor": encode_cursor("trades", 5)},
        {"cursor": encode_cursor("portfolio-1m", 5)},
        {"since": "2026-01-20T10:00:00Z", "until": "2026-01-20T09:00:00Z"},
        {"since": "2026-01-20"},
        {"format": "csv"},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    app_with_history: AppWithBot, query: dict[str, str]
) -> None:
    problem = app_with_history.viewer.get("/portfolio/history", expect=400, **query)
    assert problem["type"] in ("validation_error", "invalid_cursor")


def test_a_cursor_beyond_the_end_of_time_is_the_newest(app_with_history: AppWithBot) -> None:
    cursor = encode_cursor("portfolio-1h", 2**63 - 1)
    assert len(app_with_history.viewer.get("/portfolio/history", cursor=cursor, limit=1)) == 1


def test_a_refreshed_portfolio_is_the_present_one(app_with_bot: AppWithBot) -> None:
    app_with_bot.live.bridge.sandbox.pin("BTC/USDT", Decimal(41234))
    app_with_bot.live.pin("BTC/USDT", 41234)
    refreshed = app_with_bot.viewer.post("/portfolio/refresh")
    (exchange,) = refreshed["exchanges"]
    prices = {row["asset"]: row["price"] for row in exchange["balances"]}
    assert prices["BTC"] == "41234"
    assert refreshed["total_value"] == app_with_bot.viewer.get("/portfolio")["total_value"]
