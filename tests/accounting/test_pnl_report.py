"""The profit and loss report of a hand-calculated ledger."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest

from backend.accounting.drawdown import MaxDrawdown
from backend.accounting.fifo import FifoLots, OpeningLot
from backend.accounting.pnl_report import Market, pnl_report
from backend.schemas.accounting import FeeTotal, Pnl, PnlQuery
from backend.schemas.trades import Trade
from tests.accounting.executions import at, trade

D = Decimal
# BTC/USDT: 1 bought at 20,000 (fee 20 USDT), 0.4 sold at 22,000 (fee 0.001 BTC = 22 USDT).
#   Realised 0.4 x 2,000 + 0.001 x 2,000 = 802; 0.599 open.
# ETH/BTC: 10 bought at 0.05, 10 sold at 0.06 (fee 0.002 BTC and 0.5 BNB). Realised 0.1 BTC.
EXECUTIONS = [
    trade("buy", "1", "20000", fee=("20", "USDT"), minute=0),
    trade("buy", "10", "0.05", fee=("0.002", "BTC"), symbol="ETH/BTC", minute=1),
    trade("sell", "0.4", "22000", fee=("0.001", "BTC"), minute=2),
    trade("sell", "10", "0.06", fee=("0.5", "BNB"), symbol="ETH/BTC", minute=3),
]
PRICES = {"BTC/USDT": D(25000), "ETH/BTC": D("0.07"), "BNB/USDT": D(600)}


def lots_by_symbol(executions: Iterable[Trade]) -> dict[tuple[str, str], FifoLots]:
    lots_by_symbol: dict[tuple[str, str], FifoLots] = {}
    for execution in executions:
        key = (execution.exchange, execution.symbol)
        lots_by_symbol.setdefault(key, FifoLots(execution.symbol)).add(execution)
    return lots_by_symbol


def make_report(
    prices: dict[str, Decimal] = PRICES, drawdown: MaxDrawdown | None = None, **query: object
) -> Pnl:
    return pnl_report(
        lots_by_symbol(EXECUTIONS), Market(prices, "USDT"), PnlQuery(**query), drawdown
    )


def test_totals_are_in_the_reference_market() -> None:
    pnl = make_report()
    assert pnl.trades == 4
    assert pnl.realized_pnl == D(802) + D("0.1") * 25000
    assert pnl.unrealized_pnl == D("0.599") * 5000
    # 20 USDT, 0.001 BTC at 22,000, 0.002 BTC at 25,000, 0.5 BNB at 600
    assert pnl.fees == D(20) + 22 + 50 + 300
    assert pnl.net_pnl == D("3302") + D("2995") - 392
    assert (pnl.closings, pnl.wins, pnl.losses, pnl.win_rate) == (2, 2, 0, 1)
    assert pnl.unpriced == []
    assert (pnl.reference_market, pnl.since, pnl.until, pnl.max_drawdown) == (
        "USDT",
        None,
        None,
        None,
    )


def test_fees_are_told_by_currency() -> None:
    assert make_report().fees_paid == [
        FeeTotal(currency="BNB", cost=D("0.5"), value=D(300)),
        FeeTotal(currency="BTC", cost=D("0.003"), value=D(72)),
        FeeTotal(currency="USDT", cost=D(20), value=D(20)),
    ]


def test_each_symbol_is_told_in_its_quote_asset() -> None:
    bitcoin, ether = make_report().symbols
    assert (bitcoin.exchange, bitcoin.symbol, bitcoin.quote) == ("sandbox", "BTC/USDT", "USDT")
    assert (bitcoin.realized_pnl, bitcoin.unrealized_pnl) == (D(802), D(2995))
    assert (bitcoin.quantity, bitcoin.entry_price) == (D("0.599"), D(20000))
    assert (bitcoin.mark_price, bitcoin.unmatched_quantity) == (D(25000), D(0))
    assert (ether.symbol, ether.quote, ether.realized_pnl) == ("ETH/BTC", "BTC", D("0.1"))
    assert (ether.quantity, ether.entry_price, ether.unrealized_pnl) == (D(0), None, D(0))
    assert ether.fees == [
        FeeTotal(currency="BNB", cost=D("0.5"), value=D(300)),
        FeeTotal(currency="BTC", cost=D("0.002"), value=D(50)),
    ]


def test_one_symbol_can_be_asked_for() -> None:
    pnl = make_report(symbol="ETH-BTC")
    assert [row.symbol for row in pnl.symbols] == ["ETH/BTC"]
    assert (pnl.trades, pnl.realized_pnl, pnl.unrealized_pnl) == (2, D(2500), D(0))


def test_a_span_counts_its_executions_and_knows_what_they_closed() -> None:
    pnl = make_report(since=at(2), until=at(3))
    assert (pnl.trades, pnl.realized_pnl, pnl.fees) == (1, D(802), D(22))
    assert (pnl.since, pnl.until) == (at(2), at(3))
    assert pnl.unrealized_pnl is None
    assert pnl.net_pnl == 780
    assert [row.unrealized_pnl for row in pnl.symbols] == [None, None]


def test_a_span_without_executions_is_all_zero() -> None:
    pnl = make_report(since=at(100))
    assert (pnl.trades, pnl.realized_pnl, pnl.fees, pnl.win_rate) == (0, 0, 0, None)
    assert pnl.unrealized_pnl == 2995


def test_what_has_no_price_is_left_out_and_named() -> None:
    pnl = make_report({"ETH/BTC": D("0.07")})
    assert pnl.unpriced == ["BNB", "BTC", "BTC/USDT"]
    assert pnl.realized_pnl == 802
    assert pnl.unrealized_pnl == 0
    assert pnl.fees == 42
    bitcoin, ether = pnl.symbols
    assert (bitcoin.unrealized_pnl, bitcoin.mark_price) == (None, None)
    assert ether.fees[1] == FeeTotal(currency="BTC", cost=D("0.002"), value=None)
    assert pnl.fees_paid[1] == FeeTotal(currency="BTC", cost=D("0.003"), value=None)


def test_without_executions_there_is_nothing_to_tell() -> None:
    pnl = pnl_report({}, Market({}, "USDT"), PnlQuery(), None)
    assert pnl.model_dump(exclude={"since", "until", "max_drawdown"}) == {
        "reference_market": "USDT",
        "trades": 0,
        "realized_pnl": 0,
        "unrealized_pnl": 0,
        "fees": 0,
        "net_pnl": 0,
        "closings": 0,
        "wins": 0,
        "losses": 0,
        "win_rate": None,
        "unpriced": [],
        "fees_paid": [],
        "symbols": [],
    }


def test_a_drawdown_is_told_with_its_moments() -> None:
    drawdown = make_report(drawdown=MaxDrawdown(D(30000), at(1), D(20000), at(5))).max_drawdown
    assert drawdown.model_dump() == {
        "value": D(10000),
        "ratio": D("0.33333333"),
        "peak_at": at(1),
        "trough_at": at(5),
    }


def test_answers_have_at_most_18_decimals() -> None:
    lots = FifoLots("BTC/USDT", OpeningLot())
    lots.add(trade("buy", "3", "33.33", cost="100"))
    pnl = pnl_report({("sandbox", "BTC/USDT"): lots}, Market(PRICES, "USDT"), PnlQuery(), None)
    assert pnl.symbols[0].entry_price == D("33.333333333333333333")
    assert '"entry_price":"33.333333333333333333"' in pnl.model_dump_json()


@pytest.mark.parametrize(("wins", "rate"), [(1, "0.33333333"), (2, "0.66666667")])
def test_the_win_rate_is_a_part_of_one(wins: int, rate: str) -> None:
    executions = [trade("buy", "3", "100")]
    executions += [trade("sell", "1", "101" if number < wins else "99") for number in range(3)]
    pnl = pnl_report(lots_by_symbol(executions), Market({}, "USDT"), PnlQuery(), None)
    assert pnl.win_rate == D(rate)


@pytest.mark.parametrize(
    "span",
    [
        {"since": at(5), "until": at(5)},
        {"since": at(5), "until": at(4)},
    ],
)
def test_a_span_must_have_a_length(span: dict) -> None:
    with pytest.raises(ValueError, match="until: must be later than since"):
        PnlQuery(**span)
