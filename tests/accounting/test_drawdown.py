"""The maximum drawdown, against hand calculations and a brute-force search."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backend.accounting.drawdown import MaxDrawdown, max_drawdown
from tests.accounting.executions import at

D = Decimal


def series(*values: str) -> list[tuple]:
    return [(at(minute), D(value)) for minute, value in enumerate(values)]


def test_the_largest_part_of_a_peak_counts_not_the_largest_amount() -> None:
    found = max_drawdown(series("100", "120", "90", "1000", "800", "1100"))
    assert found == MaxDrawdown(D(120), at(1), D(90), at(2))
    assert (found.amount, found.ratio) == (D(30), D("0.25"))


def test_a_later_and_deeper_trough_of_the_same_peak_counts() -> None:
    found = max_drawdown(series("100", "80", "95", "60", "70"))
    assert found == MaxDrawdown(D(100), at(0), D(60), at(3))


def test_the_last_of_equal_peaks_is_where_it_began() -> None:
    assert max_drawdown(series("100", "100", "90")) == MaxDrawdown(D(100), at(1), D(90), at(2))


def test_what_never_fell_has_none() -> None:
    assert max_drawdown(series("1", "1", "2", "3")) is None
    assert max_drawdown([]) is None


def test_losing_all_is_a_ratio_of_one() -> None:
    found = max_drawdown(series("0", "5", "0", "-1"))
    assert (found.amount, found.ratio) == (D(6), D("1.2"))


@given(st.lists(st.decimals("0", "1000000", places=8), max_size=30))
def test_no_pair_of_values_falls_deeper(values: list[Decimal]) -> None:
    found = max_drawdown([(at(minute), value) for minute, value in enumerate(values)])
    ratios = [
        (values[first] - values[later]) / values[first]
        for first in range(len(values))
        for later in range(first, len(values))
        if values[first] > 0
    ]
    deepest = max(ratios, default=D(0))
    assert abs((found.ratio if found else D(0)) - deepest) < D("1E-20")
