"""GET /trades/history?format=csv: every trade once, with formulas escaped."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch, StoredTrade
from backend.ports.serialized import SerializedResponse
from backend.reports.csv_export import COLUMNS, CsvExports
from backend.schemas.trades import Trade, TradeQuery
from backend.store import Database, Journal
from tests.accounting.executions import trade
from tests.app_with_bot import AppWithBot, app_settings
from tests.bridge.live_bridge import wait_until

Start = Callable[..., AppWithBot]
HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    'a "quoted", text',
    "two\r\nlines",
    "é日本😀",
    "plain",
    "1=1",
]


def store_trades(home: Path, trades: list[Trade]) -> None:
    """Leave trades in the journal, as an earlier start would have."""
    database = Database(app_settings(home), ThreadHost())
    database.upgrade()
    journal = Journal(database)
    journal.open_account("sandbox:paper", {"USDT": Decimal(10000)})
    stored = [StoredTrade(place, "sandbox:paper", row) for place, row in enumerate(trades, 1)]
    journal.record(Batch(trades=stored))
    journal.close()
    database.close()


@pytest.fixture(scope="module")
def trades() -> list[Trade]:
    """More than two pages; the fees of some are unknown."""
    usual = [
        trade("buy", "0.1", str(40000 + number), fee=("0.0001", "BTC"), minute=number)
        for number in range(1200)
    ]
    other = trade("sell", "1.5", "2000", symbol="ETH/USDT", minute=1200)
    return [*usual, other.model_copy(update={"liquidity": None})]


@pytest.fixture
def app_with_trades(fresh: Start, tmp_path: Path, trades: list[Trade]) -> AppWithBot:
    store_trades(tmp_path, trades)
    return fresh()


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_all_trades_come_in_pieces_newest_first(
    app_with_trades: AppWithBot, trades: list[Trade]
) -> None:
    answer = app_with_trades.viewer.request("GET", "/trades/history?format=csv&limit=1")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="trades.csv"'
    assert answer.is_streamed
    pieces = list(answer.iter_encoded())
    assert [piece.count(b"\r\n") for piece in pieces] == [101, *[100] * 11, 1]
    rows = read(b"".join(pieces).decode())
    assert [row["id"] for row in rows] == [row.id for row in reversed(trades)]


def test_a_line_holds_what_the_list_shows(app_with_trades: AppWithBot) -> None:
    newest, second = app_with_trades.viewer.get("/trades/history", limit=2)
    rows = read(
        app_with_trades.viewer.request("GET", "/trades/history?format=csv").get_data(as_text=True)
    )
    assert tuple(rows[0]) == COLUMNS
    for row, shown in zip(rows, (newest, second), strict=False):
        fee = shown.pop("fee") or {"cost": "", "currency": ""}
        assert (shown.pop("fees"), shown.pop("estimated")) == ([], False)
        cells = {**shown, "fee_cost": fee["cost"], "fee_currency": fee["currency"]}
        cells |= {"fees": "", "estimated": "false"}
        assert row == {name: text or "" for name, text in cells.items()}


def test_filters_and_cursor_apply(app_with_trades: AppWithBot, trades: list[Trade]) -> None:
    query = {"format": "csv", "symbol": "ETH-USDT"}
    text = app_with_trades.viewer.request("GET", "/trades/history", query_string=query).get_data(
        as_text=True
    )
    assert [row["id"] for row in read(text)] == [trades[-1].id]
    page = app_with_trades.viewer.request("GET", "/trades/history?limit=500").json
    query = {"format": "csv", "cursor": page["pagination"]["next_cursor"]}
    text = app_with_trades.viewer.request("GET", "/trades/history", query_string=query).get_data(
        as_text=True
    )
    assert [row["id"] for row in read(text)] == [row.id for row in reversed(trades[:-500])]


def test_a_trade_that_happens_meanwhile_shifts_nothing(
    app_with_trades: AppWithBot, trades: list[Trade]
) -> None:
    pieces = app_with_trades.viewer.request("GET", "/trades/history?format=csv").iter_encoded()
    begun = next(pieces)
    order = app_with_trades.live.place(quantity="0.1")
    assert wait_until(lambda: app_with_trades.live.trades(limit=1)[0]["order_id"] == order.id)
    rows = read((begun + b"".join(pieces)).decode())
    assert [row["id"] for row in rows] == [row.id for row in reversed(trades)]


def test_the_books_take_in_every_page_once(app_with_trades: AppWithBot) -> None:
    pnl = app_with_trades.viewer.get("/trades/pnl")
    assert pnl["trades"] == 1201
    bitcoin, ether = pnl["symbols"]
    assert (bitcoin["trades"], bitcoin["quantity"]) == (1200, "119.88")
    assert ether["unmatched_quantity"] == "1.5"
    app_with_trades.live.place(quantity="0.1")
    assert wait_until(lambda: app_with_trades.viewer.get("/trades/pnl")["trades"] == 1202)
    assert app_with_trades.viewer.get("/trades/pnl")["symbols"][0]["quantity"] == "119.9799"


def test_no_text_is_a_formula_and_none_breaks_a_line(fresh: Start, tmp_path: Path) -> None:
    names = [f"{text} {number}" for number, text in enumerate(HOSTILE)]
    rows = [
        trade("buy", "1", "1").model_copy(update={"id": name, "client_order_id": name})
        for name in names
    ]
    store_trades(tmp_path, rows)
    text = fresh().viewer.request("GET", "/trades/history?format=csv").get_data(as_text=True)
    found = [(row["id"], row["client_order_id"]) for row in reversed(read(text))]
    safe = [("'" + name if number < 7 else name) for number, name in enumerate(names)]
    assert found == [(name, name) for name in safe]
    assert all(row["price"] == "1" and row["side"] == "buy" for row in read(text))


def test_a_rebate_stays_a_number() -> None:
    shown = {**blank(), "fee": {"cost": "-0.5", "currency": "USDT"}}
    (line,) = read(exported([shown]))
    assert (line["fee_cost"], line["fee_currency"]) == ("-0.5", "USDT")


def test_a_page_that_fails_ends_the_file_with_its_error() -> None:
    def page(query: TradeQuery) -> SerializedResponse:
        if query.cursor is not None:
            raise LookupError("away")
        return answer_of([blank()], "next")

    pieces = CsvExports(ThreadHost()).trades(page, TradeQuery())
    assert next(pieces).count(b"\r\n") == 2
    with pytest.raises(LookupError, match="away"):
        next(pieces)


class RestingHost(ThreadHost):
    """Notes how long it is asked to rest."""

    def __init__(self) -> None:
        self.rests: list[float] = []

    def yield_for(self, seconds: float) -> None:
        self.rests.append(seconds)


def pages(query: TradeQuery) -> SerializedResponse:
    """Answer without end, after some work."""
    return answer_of([blank()] * 20, "next")


def test_the_bot_has_time_between_two_pages() -> None:
    host = RestingHost()
    pieces = CsvExports(host).trades(pages, TradeQuery())
    for _ in range(4):
        next(pieces)
    assert len(host.rests) == 2
    assert min(host.rests) > 0


def test_an_export_that_is_given_up_is_not_counted_any_more() -> None:
    host = RestingHost()
    exports = CsvExports(host)
    others = [exports.trades(pages, TradeQuery()) for _ in range(200)]
    for other in others:
        next(other)
        other.close()  # type: ignore[attr-defined]  # it is a generator
    pieces = exports.trades(pages, TradeQuery())
    for _ in range(3):
        next(pieces)
    assert host.rests[-1] < 1


def blank() -> dict[str, object]:
    return {**trade("buy", "1", "1").model_dump(mode="json"), "fee": None}


def exported(rows: list[dict[str, object]]) -> str:
    pieces = CsvExports(ThreadHost()).trades(lambda _query: answer_of(rows, None), TradeQuery())
    return b"".join(pieces).decode()


def answer_of(rows: list[dict[str, object]], cursor: str | None) -> SerializedResponse:
    content = {"data": rows, "pagination": {"limit": 500, "next_cursor": cursor}}
    return SerializedResponse(orjson.dumps(content), '"etag"')
