"""FIFO lots against a hand-calculated ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backend.accounting.balances import balances_after
from backend.accounting.fifo import FifoLots, OpeningLot
from backend.accounting.totals import Totals
from tests.accounting.executions import trade

D = Decimal

# Start: 10,000 USDT and 1 BTC, which was worth 20,000 when the account was opened.
#
#  # side quantity price    cost  fee             lots after (quantity @ unit cost)      realised
#  1 buy  0.5      20,000  10000  10 USDT         0.5 @ 20,000
#  2 buy  0.3      21,000   6300  0.003 BTC       0.5 @ 20,000, 0.297 @ 21,000
#    the fee is worth 0.003 x 21,000 = 63 USDT and never enters the lot
#  3 sell 0.6      22,000  13200  13.2 USDT       0.197 @ 21,000
#    0.5 x 2,000 + 0.1 x 1,000                                                           1,100
#  4 sell 0.197    20,500 4038.5  0.05 BNB        none
#    0.197 x -500                                                                        - 98.5
#  5 sell 0.2      23,000   4600  4.6 USDT        none; 0.8 of the opening BTC is left
#    0.2 x (23,000 - 20,000)                                                               600
#  6 buy  0.1      24,000   2400  2.4 USDT        0.1 @ 24,000
HAND_WRITTEN = [
    trade("buy", "0.5", "20000", fee=("10", "USDT"), order_id="a"),
    trade("buy", "0.3", "21000", fee=("0.003", "BTC"), order_id="b"),
    trade("sell", "0.6", "22000", fee=("13.2", "USDT"), order_id="c"),
    trade("sell", "0.197", "20500", fee=("0.05", "BNB"), order_id="d"),
    trade("sell", "0.2", "23000", fee=("4.6", "USDT"), order_id="e"),
    trade("buy", "0.1", "24000", fee=("2.4", "USDT"), order_id="f"),
]


@pytest.fixture
def lots() -> FifoLots:
    lots = FifoLots("BTC/USDT", OpeningLot(D(1)), D(20000))
    for execution in HAND_WRITTEN:
        lots.add(execution)
    return lots


def test_the_hand_written_ledger_gains_what_was_worked_out(lots: FifoLots) -> None:
    gains = [row.realized for row in lots.executions]
    assert gains == [None, None, D(1100), D("-98.5"), D(600), None]
    assert [row.unmatched for row in lots.executions] == [0] * 6
    assert (lots.quantity, lots.cost) == (D("0.1"), D(2400))
    assert lots.unrealized(D(25000)) == D(100)
    assert lots.unrealized(D(23000)) == D(-100)


def test_the_hand_written_ledger_costs_what_was_worked_out(lots: FifoLots) -> None:
    totals = Totals(lots.executions)
    assert totals.trades == 6
    assert totals.realized == D("1601.5")
    assert totals.fees == {
        "USDT": (D("30.2"), D("30.2")),
        "BTC": (D("0.003"), D(63)),
        "BNB": (D("0.05"), None),
    }


def test_the_hand_written_ledger_wins_two_of_three(lots: FifoLots) -> None:
    # c: 1100 - 13.2 - 10 - 63 x 0.1/0.297; d: a loss before fees; e: 600 - 4.6
    totals = Totals(lots.executions)
    assert (totals.closings, totals.wins, totals.losses) == (3, 2, 1)
    nets = [row.net for row in lots.executions]
    entry_fee = D(63) * D("0.1") / D("0.297")
    assert abs(nets[2] - (D("1076.8") - entry_fee)) < D("1E-20")
    assert nets[4] == D("595.4")


def test_the_hand_written_ledger_leaves_the_balances_that_were_worked_out(lots: FifoLots) -> None:
    after = balances_after({"USDT": D(10000), "BTC": D(1)}, HAND_WRITTEN)
    # USDT: 10000 - 10000 - 6300 + 13200 + 4038.5 + 4600 - 2400 - 30.2
    assert after == {"USDT": D("13108.3"), "BTC": D("0.9"), "BNB": D("-0.05")}
    # value at 25,000, BNB at 600: opening 10000 + 1 x 20000
    change = D("13108.3") + D("0.9") * 25000 - D("0.05") * 600 - 30000
    opening_left = D("0.8") * (25000 - 20000)
    fees = D("93.2") + D("0.05") * 600
    totals = Totals(lots.executions)
    assert totals.realized + lots.unrealized(D(25000)) + opening_left - fees == change


def test_a_round_trip_at_a_loss_after_fees_is_no_win() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "1", "100", fee=("0.6", "USDT")))
    lots.add(trade("sell", "1", "101", fee=("0.6", "USDT")))
    totals = Totals(lots.executions)
    assert totals.realized == 1
    assert (totals.closings, totals.wins, totals.losses) == (1, 0, 1)


def test_an_even_round_trip_neither_wins_nor_loses() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "1", "100"))
    lots.add(trade("sell", "1", "100"))
    totals = Totals(lots.executions)
    assert (totals.closings, totals.wins, totals.losses) == (1, 0, 0)


def test_an_order_that_fills_in_parts_closes_once() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "3", "100"))
    for price in ("90", "120", "130"):  # -10 + 20 + 30
        lots.add(trade("sell", "1", price, order_id="one"))
    totals = Totals(lots.executions)
    assert totals.realized == 40
    assert (totals.closings, totals.wins, totals.losses) == (1, 1, 0)


def test_what_was_held_before_at_an_unknown_price_is_left_out_and_counted() -> None:
    lots = FifoLots("BTC/USDT", OpeningLot(D(1)))
    lots.add(trade("buy", "0.5", "100"))
    lots.add(trade("sell", "0.8", "110"))
    totals = Totals(lots.executions)
    assert totals.realized == 5
    assert totals.unmatched == D("0.3")


def test_what_was_never_held_is_left_out_and_counted() -> None:
    lots = FifoLots("BTC/USDT", OpeningLot(D("0.1")), D(100))
    lots.add(trade("sell", "0.4", "110"))
    totals = Totals(lots.executions)
    assert totals.realized == 1  # 0.1 x 10
    assert totals.unmatched == D("0.3")
    assert lots.quantity == 0


def test_a_sale_of_which_nothing_is_known_is_no_closing() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("sell", "1", "110"))
    totals = Totals(lots.executions)
    assert (totals.trades, totals.closings, totals.realized, totals.unmatched) == (1, 0, 0, 1)


def test_two_symbols_draw_on_one_opening_balance() -> None:
    opening = OpeningLot(D(1))
    dollars = FifoLots("BTC/USDT", opening, D(100))
    euros = FifoLots("BTC/EUR", opening, D(90))
    dollars.add(trade("sell", "0.7", "110"))
    euros.add(trade("sell", "0.7", "100", symbol="BTC/EUR"))
    assert Totals(dollars.executions).realized == 7
    assert Totals(euros.executions).realized == 3
    assert Totals(euros.executions).unmatched == D("0.4")


def test_a_sale_pays_its_base_fee_out_of_the_lots() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "1", "100"))
    lots.add(trade("sell", "0.5", "120", fee=("0.1", "BTC")))
    totals = Totals(lots.executions)
    assert lots.quantity == D("0.4")
    assert totals.realized == 12  # 0.6 x 20
    assert totals.fees == {"BTC": (D("0.1"), D(12))}


def test_a_rebate_is_a_negative_fee() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "1", "100", fee=("-0.01", "BTC")))
    lots.add(trade("sell", "1.01", "100", fee=("-1", "USDT")))
    totals = Totals(lots.executions)
    assert lots.quantity == 0
    assert totals.realized == 0
    assert totals.fees == {"BTC": (D("-0.01"), D(-1)), "USDT": (D(-1), D(-1))}


def test_a_fee_larger_than_what_was_bought_is_taken_from_the_lots() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "1", "100"))
    lots.add(trade("buy", "0.1", "110", fee=("0.3", "BTC")))
    assert lots.quantity == D("0.8")
    assert Totals(lots.executions).realized == 2  # 0.2 x 10
    assert Totals(lots.executions).fees == {"BTC": (D("0.3"), D(33))}


def test_an_average_price_that_was_rounded_loses_no_money() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "3", "33.33", cost="100"))
    lots.add(trade("sell", "1", "50"))
    lots.add(trade("sell", "1", "50"))
    lots.add(trade("sell", "1", "50"))
    assert Totals(lots.executions).realized == 50
    assert lots.cost == 0


def test_an_execution_of_nothing_changes_nothing() -> None:
    lots = FifoLots("BTC/USDT")
    lots.add(trade("buy", "0", "100"))
    lots.add(trade("sell", "0", "100", fee=("0", "BTC")))
    assert (lots.quantity, lots.cost, Totals(lots.executions).realized) == (0, 0, 0)


def test_contracts_may_be_sold_first() -> None:
    lots = FifoLots("BTC/USDT:USDT")
    lots.add(trade("sell", "2", "100", fee=("1", "USDT"), symbol="BTC/USDT:USDT"))
    assert (lots.quantity, lots.cost) == (D(-2), D(200))
    assert lots.unrealized(D(90)) == 20
    assert lots.unrealized(D(110)) == -20
    lots.add(trade("buy", "3", "80", fee=("1", "USDT"), symbol="BTC/USDT:USDT"))
    totals = Totals(lots.executions)
    assert totals.realized == 40
    assert (lots.quantity, lots.cost) == (D(1), D(80))
    assert lots.unrealized(D(85)) == 5
    assert (totals.closings, totals.wins, totals.unmatched) == (1, 1, 0)


def test_inverse_contracts_are_counted_and_not_computed() -> None:
    lots = FifoLots("BTC/USD:BTC")
    lots.add(trade("buy", "100", "20000", fee=("0.00001", "BTC"), symbol="BTC/USD:BTC"))
    lots.add(trade("sell", "100", "30000", symbol="BTC/USD:BTC"))
    totals = Totals(lots.executions)
    assert (totals.realized, totals.closings, totals.unmatched) == (0, 0, 200)
    assert totals.fees["BTC"].cost == D("0.00001")
    assert lots.quantity == 0
