"""A paper account that trades against other quotes than USDT."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backend.errors import InsufficientFunds
from tests.bridge.live_bridge import LiveBridge, content, make_settings
from tests.waiting import shutting_down

D = Decimal
PRICES = {
    "BTC/USDT": D(40_000),
    "USDC/USDT": D("1.001"),
    "EUR/USDT": D("1.1"),
    "SOL/USDC": D(150),
    "BTC/USDC": D(39_960),
    "ETH/USDC": D(2_000),
    "BTC/EUR": D(36_000),
}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    start = {"USDT": D(10_000), "BTC": D(1), "USDC": D(1_000)}
    settings = make_settings(tmp_path, symbols=tuple(PRICES), paper_balance=start)
    with shutting_down(LiveBridge(settings)) as live:
        live.boot()
        for symbol, price in PRICES.items():
            live.pin(symbol, price)
        yield live


def test_the_new_quotes_are_listed_with_rules(live: LiveBridge) -> None:
    rows = {row["symbol"]: row for row in content(live.bridge.markets.markets(None))}
    assert set(PRICES) == set(rows)
    assert (rows["SOL/USDC"]["base"], rows["SOL/USDC"]["quote"]) == ("SOL", "USDC")
    assert D(rows["USDC/USDT"]["price_step"]) == D("0.0001")


def test_a_quote_that_was_never_held_buys_nothing(live: LiveBridge) -> None:
    before = live.balances()
    for fields in ({}, {"type": "limit", "price": "30000"}):
        with pytest.raises(InsufficientFunds, match="not enough EUR available"):
            live.place(symbol="BTC/EUR", quantity="0.001", **fields)
    assert live.balances() == before


def test_what_is_bought_and_sold_against_usdc_and_eur_is_booked_and_valued(
    live: LiveBridge,
) -> None:
    bought = live.place(symbol="SOL/USDC", quantity="2")
    assert (bought.cost, bought.fee and bought.fee.cost) == (D(300), D("0.002"))
    live.place(symbol="BTC/EUR", side="sell", quantity="0.5")
    live.settle()
    assert live.totals() == {
        "USDT": D(10_000),
        "BTC": D("0.5"),
        "USDC": D(700),
        "SOL": D("1.998"),
        "EUR": D(18_000) * D("0.999"),
    }
    (exchange,) = content(live.bridge.portfolio.summary())["exchanges"]
    values = {row["asset"]: D(row["value"]) for row in exchange["balances"]}
    assert values["EUR"] == D("17982") * D("1.1")
    assert values["USDC"] == D("700.7")
    assert values["SOL"] == D("1.998") * 150 * D("1.001")


def test_the_dash_form_of_a_symbol_is_taken(live: LiveBridge) -> None:
    assert live.place(symbol="ETH-USDC", quantity="0.01").symbol == "ETH/USDC"
