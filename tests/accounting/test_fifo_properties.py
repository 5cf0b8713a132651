"""Exact properties of FIFO lots for any sequence of executions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from backend.accounting.balances import balances_after
from backend.accounting.decimals import EXACT
from backend.accounting.fifo import FifoLots, OpeningLot
from backend.accounting.totals import Totals
from backend.schemas.orders import Fee
from backend.schemas.trades import Trade, execution_of
from backend.store.journal.mapping import read_execution
from tests.accounting.executions import trade

# as many digits and decimals as the contract takes: a rounding anywhere would show
AMOUNTS = st.decimals("1E-18", "999999999999", places=18)
START = {"USDT": Decimal("1E12"), "BTC": Decimal("999999999999.999999999999999999"), "BNB": 0}
FEES = st.none() | st.tuples(
    st.decimals("-1000", "1000", places=18), st.sampled_from(["USDT", "BTC", "BNB"])
)
EXECUTIONS = st.lists(
    st.builds(
        lambda side, quantity, price, fee: trade(side, quantity, price, fee=fee),
        st.sampled_from(["buy", "sell"]),
        AMOUNTS,
        AMOUNTS,
        FEES,
    ),
    max_size=12,
)
# exchanges round averages: the cost need not be quantity times price
ROUNDED = st.lists(
    st.builds(
        lambda execution, cost: execution.model_copy(update={"cost": cost}),
        EXECUTIONS.filter(bool).map(lambda executions: executions[0]),
        AMOUNTS,
    ),
    max_size=12,
)
FRACTIONS = Context(prec=2000)  # more than any of the sums below can need


def lots_after(trades: Sequence[Trade], opening: Decimal, price: Decimal | None) -> FifoLots:
    lots = FifoLots("BTC/USDT", OpeningLot(opening), price)
    for execution in trades:
        lots.add(execution)
    return lots


@given(trades=EXECUTIONS)
def test_balances_are_the_start_plus_fills_minus_fees(trades: list[Trade]) -> None:
    after = balances_after(START, trades)
    with localcontext(FRACTIONS):
        bought = [t for t in trades if t.side == "buy"]
        sold = [t for t in trades if t.side == "sell"]
        paid = {
            asset: sum(t.fee.cost for t in trades if t.fee and t.fee.currency == asset)
            for asset in START
        }
        assert after["BTC"] == (
            START["BTC"]
            + sum(t.quantity for t in bought)
            - sum(t.quantity for t in sold)
            - paid["BTC"]
        )
        assert after["USDT"] == (
            START["USDT"] - sum(t.cost for t in bought) + sum(t.cost for t in sold) - paid["USDT"]
        )
        assert after["BNB"] == -paid["BNB"]


@given(trades=EXECUTIONS | ROUNDED, first=AMOUNTS, last=AMOUNTS)
def test_realised_and_unrealised_less_fees_are_the_change_of_value(
    trades: list[Trade], first: Decimal, last: Decimal
) -> None:
    held = Decimal("1E30")  # enough for every sale to have a known cost
    lots = lots_after(trades, held, first)
    totals = Totals(lots.executions)
    after = balances_after({"USDT": Decimal(0), "BTC": held}, trades)
    with localcontext(FRACTIONS):
        change = after["USDT"] + after["BTC"] * last - held * first
        opening = (after["BTC"] - lots.quantity) * (last - first)
        fees = sum(fee.value for fee in totals.fees.values() if fee.value is not None)
        assert totals.realized + lots.unrealized(last) + opening - fees == change
    assert totals.unmatched == 0


@given(trades=EXECUTIONS, data=st.data())
def test_an_execution_split_in_two_changes_nothing(
    trades: list[Trade], data: st.DataObject
) -> None:
    parts = [part for execution in trades for part in split(execution, data)]
    whole, halved = (
        lots_after(trades, Decimal(5), Decimal(7)),
        lots_after(parts, Decimal(5), Decimal(7)),
    )
    assert halved.quantity == whole.quantity
    assert halved.cost == whole.cost
    one, other = Totals(whole.executions), Totals(halved.executions)
    names = ("realized", "unmatched", "fees", "closings", "wins", "losses")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]


def split(execution: Trade, data: st.DataObject) -> list[Trade]:
    """Part an execution in two of one order, the fee in proportion."""
    quarters = data.draw(st.integers(0, 4))
    if quarters in (0, 4):
        return [execution]
    share = Decimal(quarters) / 4
    return [portion(execution, share), portion(execution, 1 - share)]


def portion(execution: Trade, share: Decimal) -> Trade:
    quantity = EXACT.multiply(execution.quantity, share)
    fee = execution.fee
    return execution.model_copy(
        update={
            "quantity": quantity,
            "cost": EXACT.multiply(execution.cost, share),
            "fee": fee and Fee(cost=EXACT.multiply(fee.cost, share), currency=fee.currency),
        }
    )


@given(trades=EXECUTIONS)
def test_the_order_of_symbols_does_not_matter(trades: list[Trade]) -> None:
    """Books of different symbols do not touch each other."""
    others = [t.model_copy(update={"symbol": "ETH/USDT"}) for t in trades]
    btc, eth = FifoLots("BTC/USDT"), FifoLots("ETH/USDT")
    for mine, other in zip(trades, others, strict=True):
        btc.add(mine)
        eth.add(other)
    alone = lots_after(trades, Decimal(0), None)
    assert Totals(btc.executions).realized == Totals(alone.executions).realized
    assert btc.quantity == alone.quantity


@given(trades=EXECUTIONS, price=AMOUNTS)
def test_contracts_gain_what_flows_in_and_what_is_open(trades: list[Trade], price: Decimal) -> None:
    lots = FifoLots("BTC/USDT:USDT")
    for execution in trades:
        lots.add(execution.model_copy(update={"symbol": "BTC/USDT:USDT", "fee": None}))
    with localcontext(FRACTIONS):
        signs = [(1 if t.side == "buy" else -1, t) for t in trades]
        position = sum(sign * t.quantity for sign, t in signs)
        flow = sum(-sign * t.cost for sign, t in signs)
        assert lots.quantity == position
        assert Totals(lots.executions).realized + lots.unrealized(price) == flow + position * price


@given(trades=EXECUTIONS | ROUNDED, opening=AMOUNTS, price=st.none() | AMOUNTS)
def test_executions_read_from_the_journal_give_the_same_lots(
    trades: list[Trade], opening: Decimal, price: Decimal | None
) -> None:
    rows = [read_execution(1, "sandbox:paper", trade.model_dump_json()) for trade in trades]
    assert [row.execution for row in rows] == [execution_of(trade) for trade in trades]
    expected = lots_after(trades, opening, price)
    actual = FifoLots("BTC/USDT", OpeningLot(opening), price)
    for row in rows:
        actual.add(row.execution)
    assert (actual.quantity, actual.cost) == (expected.quantity, expected.cost)
    names = ("trades", "realized", "unmatched", "fees", "closings", "wins", "losses")
    for one, other in (
        (actual.totals, expected.totals),
        (Totals(actual.executions), expected.totals),
    ):
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]


@given(trades=EXECUTIONS, orders=st.lists(st.sampled_from(["a", "b", "c"]), min_size=12))
def test_an_order_wins_or_loses_once_however_many_parts_it_has(
    trades: list[Trade], orders: list[str]
) -> None:
    parts = [
        execution.model_copy(update={"order_id": order})
        for execution, order in zip(trades, orders, strict=False)
    ]
    lots = lots_after(parts, Decimal(0), None)
    nets: dict[str, Decimal] = {}
    with localcontext(FRACTIONS):
        for row in lots.executions:
            if row.realized is not None:
                nets[row.order_id] = nets.get(row.order_id, Decimal(0)) + row.net
    assert lots.totals.closings == len(nets)
    assert lots.totals.wins == len([net for net in nets.values() if net > 0])
    assert lots.totals.losses == len([net for net in nets.values() if net < 0])
