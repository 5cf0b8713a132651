"""Invalid and borderline queries of the reports."""

from __future__ import annotations

import pytest

from backend.reports.csv_export import COLUMNS
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import BTC


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-20T10:00:00"}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"since": "2026-01-20T10:00:00Z", "until": "2026-01-20T10:00:00Z"}, "until"),
        ({"symbol": "BTC"}, "symbol"),
        ({"symbol": "'; DROP TABLE trades; --"}, "symbol"),
        ({"limit": "5"}, "limit"),
        ({"since": ["2026-01-20T10:00:00Z", "2026-01-21T10:00:00Z"]}, "since"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    shared: AppWithBot, query: dict, field: str
) -> None:
    problem = shared.viewer.get("/trades/pnl", expect=400, **query)
    assert (problem["type"], problem["fields"][0]["field"]) == ("validation_error", field)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("path", ["/trades/pnl", "/trades/history", "/portfolio/history"])
def test_the_ends_of_time_are_times(shared: AppWithBot, path: str, name: str, moment: str) -> None:
    assert shared.viewer.request("GET", path, query_string={name: moment}).status_code == 200


def test_without_trades_there_is_a_header_alone(shared: AppWithBot) -> None:
    query = {"format": "csv", "symbol": BTC, "until": "1999-01-01T00:00:00Z"}
    answer = shared.viewer.request("GET", "/trades/history", query_string=query)
    assert answer.get_data(as_text=True) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("wanted", ["xml", "CSV", "", "json,csv"])
def test_other_formats_are_refused(shared: AppWithBot, wanted: str) -> None:
    problem = shared.viewer.get("/trades/history", expect=400, format=wanted)
    assert problem["fields"][0]["field"] == "format"


def test_a_bad_cursor_is_an_error_and_no_file(shared: AppWithBot) -> None:
    problem = shared.viewer.get("/trades/history", expect=400, format="csv", cursor="nonsense")
    assert problem["type"] == "invalid_cursor"


def test_a_head_request_has_no_body(shared: AppWithBot) -> None:
    answer = shared.viewer.request("HEAD", "/trades/history?format=csv")
    assert (answer.get_data(), answer.mimetype) == (b"", "text/csv")
