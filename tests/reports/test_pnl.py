"""GET /trades/pnl after trades of a running bot."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from backend.reports.pnl import ProfitAndLoss
from backend.schemas.accounting import PnlQuery
from backend.store import opening_prices as openings
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import BTC, LiveBridge, wait_until

pytestmark = [pytest.mark.long, pytest.mark.every_line]

D = Decimal
Start = Callable[..., AppWithBot]


def trade(live: LiveBridge, side: str, quantity: str, price: str) -> dict[str, Any]:
    live.pin(BTC, price)
    order = live.place(side=side, quantity=quantity)
    assert wait_until(lambda: live.trades()[0]["order_id"] == order.id)
    return live.trades()[0]


def numbers(row: dict[str, Any], *names: str) -> list[Decimal | None]:
    return [None if row[name] is None else D(row[name]) for name in names]


def test_the_figures_are_those_worked_out_by_hand(fresh: Start) -> None:
    app_with_bot = fresh()
    trade(app_with_bot.live, "buy", "0.1", "40000")  # fee 0.0001 BTC = 4 USDT; lot of 0.0999
    trade(app_with_bot.live, "buy", "0.1", "42000")  # fee 0.0001 BTC = 4.2 USDT; lot of 0.0999
    trade(app_with_bot.live, "sell", "0.12", "44000")  # fee 5.28 USDT
    app_with_bot.live.pin(BTC, "45000")
    pnl = app_with_bot.viewer.get("/trades/pnl")
    # 0.0999 x 4,000 + 0.0201 x 2,000; open: 0.0798 at 42,000
    assert numbers(pnl, "realized_pnl", "unrealized_pnl") == [D("439.8"), D("239.4")]
    assert numbers(pnl, "fees", "net_pnl") == [D("13.48"), D("665.72")]
    assert (pnl["trades"], pnl["closings"], pnl["wins"], pnl["losses"]) == (3, 1, 1, 0)
    assert (pnl["win_rate"], pnl["reference_market"], pnl["unpriced"]) == ("1", "USDT", [])
    assert pnl["fees_paid"] == [
        {"currency": "BTC", "cost": "0.0002", "value": "8.2"},
        {"currency": "USDT", "cost": "5.28", "value": "5.28"},
    ]
    (row,) = pnl["symbols"]
    assert (row["exchange"], row["symbol"], row["quote"]) == ("sandbox", BTC, "USDT")
    assert numbers(row, "quantity", "entry_price", "mark_price") == [D("0.0798"), 42000, 45000]
    assert row["unmatched_quantity"] == "0"


def test_the_account_gained_what_the_figures_say(fresh: Start) -> None:
    app_with_bot = fresh()
    before = D(app_with_bot.live.bridge.portfolio.reload().total_value)
    trade(app_with_bot.live, "buy", "0.5", "40000")
    trade(app_with_bot.live, "sell", "0.3", "41000")
    trade(app_with_bot.live, "buy", "0.2", "39000")
    app_with_bot.live.pin(BTC, "40000")  # the opening balance is worth what it was
    gained = D(app_with_bot.viewer.post("/portfolio/refresh")["total_value"]) - before
    assert D(app_with_bot.viewer.get("/trades/pnl")["net_pnl"]) == gained


def test_what_the_account_began_with_is_sold_last_at_its_opening_price(fresh: Start) -> None:
    app_with_bot = fresh()
    assert wait_until(lambda: app_with_bot.viewer.get("/portfolio/history", interval="1m"))
    trade(app_with_bot.live, "buy", "0.01", "40000")
    trade(app_with_bot.live, "sell", "0.02", "50000")
    (row,) = app_with_bot.viewer.get("/trades/pnl")["symbols"]
    opening = opening_price(app_with_bot)
    # 0.00999 of the lot, the rest was there before
    gain = D("0.00999") * 10000 + D("0.01001") * (50000 - opening)
    assert numbers(row, "realized_pnl", "unmatched_quantity", "quantity") == [gain, 0, 0]


def opening_price(app_with_bot: AppWithBot) -> Decimal:
    held = app_with_bot.live.database.read(openings.list_balances, ["sandbox:paper"], "USDT")
    (price,) = [row.price for row in held if row.asset == "BTC"]
    return price


def test_a_restart_changes_no_figure(fresh: Start) -> None:
    app_with_bot = fresh()
    trade(app_with_bot.live, "buy", "0.1", "40000")
    trade(app_with_bot.live, "sell", "0.15", "41000")
    before = app_with_bot.viewer.get("/trades/pnl")
    app_with_bot = fresh()
    app_with_bot.live.pin(BTC, "41000")
    after = app_with_bot.viewer.get("/trades/pnl")
    assert after["realized_pnl"] == before["realized_pnl"]
    assert after["symbols"] == before["symbols"]
    assert after["fees"] == before["fees"]


def test_figures_grow_with_each_trade(fresh: Start) -> None:
    app_with_bot = fresh()
    assert app_with_bot.viewer.get("/trades/pnl")["symbols"] == []
    for count in (1, 2, 3):
        trade(app_with_bot.live, "buy", "0.01", "40000")
        pnl = app_with_bot.viewer.get("/trades/pnl")
        assert (pnl["trades"], D(pnl["symbols"][0]["quantity"])) == (count, D("0.00999") * count)
        assert app_with_bot.viewer.get("/trades/pnl")["symbols"] == pnl["symbols"]


def test_a_symbol_and_a_span_can_be_asked_for(fresh: Start) -> None:
    app_with_bot = fresh()
    trade(app_with_bot.live, "buy", "0.1", "40000")
    second = trade(app_with_bot.live, "sell", "0.05", "42000")["executed_at"]
    third = trade(app_with_bot.live, "sell", "0.01", "38000")["executed_at"]
    span = app_with_bot.viewer.get("/trades/pnl", since=second, until=third, symbol="btc-usdt")
    assert (span["trades"], span["realized_pnl"], span["unrealized_pnl"]) == (1, "100", None)
    assert (span["since"], span["until"], span["max_drawdown"]) == (second, third, None)
    assert app_with_bot.viewer.get("/trades/pnl", symbol="ETH/USDT")["symbols"] == []


def test_a_fall_of_the_portfolio_is_told(fresh: Start) -> None:
    app_with_bot = fresh()
    assert wait_until(lambda: app_with_bot.viewer.get("/portfolio/history", interval="1m"))
    app_with_bot.live.pin(BTC, "50000")
    assert wait_until(lambda: kept(app_with_bot) == D(1_000_000 + 5_000_000 + 200_000))
    app_with_bot.live.pin(BTC, "20000")
    assert wait_until(lambda: kept(app_with_bot) == D(1_000_000 + 2_000_000 + 200_000))
    fall = app_with_bot.viewer.get("/trades/pnl")["max_drawdown"]
    assert numbers(fall, "value", "ratio") == [3_000_000, D("0.48387097")]
    assert fall["peak_at"] < fall["trough_at"]


def kept(app_with_bot: AppWithBot) -> Decimal:
    return D(app_with_bot.viewer.get("/portfolio/history", interval="1m")[0]["total_value"])


def test_without_a_bot_there_are_no_figures(fresh: Start) -> None:
    app_with_bot = fresh()
    app_with_bot.live.bridge.bot.stop()
    problem = app_with_bot.viewer.get("/trades/pnl", expect=503)
    assert problem["type"] == "bot_not_ready"


def test_processing_ahead_gives_the_same_as_processing_on_demand(app_with_bot: AppWithBot) -> None:
    live = app_with_bot.live
    ahead = ProfitAndLoss(live.bridge, live.database)
    worth = live.bridge.portfolio.account_value()
    assert worth is not None
    trade(live, "buy", "0.02", "40000")
    trade(live, "sell", "0.01", "41000")
    ahead.process_all(worth, threading.Event())
    trade(live, "sell", "0.01", "42000")
    figures = ahead.read(PnlQuery())
    assert figures.trades == len(live.trades(limit=500))
    assert figures.symbols == ProfitAndLoss(live.bridge, live.database).read(PnlQuery()).symbols


def test_processing_ahead_ends_with_the_server_and_loses_nothing(app_with_bot: AppWithBot) -> None:
    live = app_with_bot.live
    trade(live, "buy", "0.02", "40000")
    ahead, ending = ProfitAndLoss(live.bridge, live.database), threading.Event()
    ending.set()
    worth = live.bridge.portfolio.account_value()
    assert worth is not None
    ahead.process_all(worth, ending)
    assert ahead.read(PnlQuery()).trades == len(live.trades(limit=500))


class RecordedWaits(threading.Event):
    """Event that records the timeouts of its waits and returns at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return self.is_set()


def test_after_each_batch_the_thread_rests_twice_as_long(
    app_with_bot: AppWithBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = app_with_bot.live
    trade(live, "buy", "0.02", "40000")
    worth = live.bridge.portfolio.account_value()
    assert worth is not None
    clock, here = itertools.count(0, 0.25), threading.current_thread()  # a step takes 0.25 s

    def monotonic() -> float:
        return next(clock) if threading.current_thread() is here else time.monotonic()

    clocks = SimpleNamespace(monotonic=monotonic, sleep=time.sleep)
    monkeypatch.setattr("backend.reports.pnl.time", clocks)
    waits = RecordedWaits()
    ProfitAndLoss(live.bridge, live.database).process_all(worth, waits)
    assert waits.seconds == [0, 0.5]


def test_processing_in_batches_gives_the_same_as_processing_at_once(
    app_with_bot: AppWithBot,
) -> None:
    live = app_with_bot.live
    trade(live, "buy", "0.02", "40000")
    trade(live, "sell", "0.01", "41000")
    stepwise = ProfitAndLoss(live.bridge, live.database)
    assert [stepwise.process_batch(), stepwise.process_batch()] == [True, False]
    figures = stepwise.read(PnlQuery())
    assert figures.trades == len(live.trades(limit=500))
    assert figures.symbols == ProfitAndLoss(live.bridge, live.database).read(PnlQuery()).symbols
