"""Rows of an account: those that can be read, and the names of those that cannot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from backend.bridge.octobot.account_rows import UnreadableRows

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
CLIENT = SimpleNamespace(markets={BTC: {"contractSize": 0.01}, ETH: {}})


def position(symbol: str = BTC, **fields: Any) -> dict[str, Any]:
    whole = {"side": "long", "contracts": 5, "contractSize": 0.01, "entryPrice": 40_000}
    return {"symbol": symbol, **whole, **fields}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"contracts": None}, "its contracts are not told"),
        ({"contracts": "many"}, "its contracts are not told"),
        ({"entryPrice": None}, "its entry price is not told"),
        ({"entryPrice": float("nan")}, "its entry price is not told"),
        ({"side": None}, "its side is not told"),
        ({"symbol": ETH, "contractSize": None}, "its contract size is not told"),
    ],
)
def test_a_position_that_cannot_be_read_is_named_and_the_others_go_on(
    fields: dict[str, Any], fault: str
) -> None:
    rows, told = UnreadableRows(), []
    rows.on_change = told.append
    broken = position(**fields)
    other = position("SOL/USDT:USDT")
    assert rows.positions([broken, other], CLIENT) == [other]
    text = f"the position in {broken['symbol']} cannot be read: {fault}"
    assert (rows.texts, told) == ([text], [[text]])
    with pytest.raises(ccxt.BadResponse):
        rows.position(position(**fields), CLIENT)
    # it is read as soon as it can be
    assert rows.position(position(broken["symbol"]), CLIENT) == position(broken["symbol"])
    assert (rows.texts, told[-1]) == ([], [])


def test_a_contract_size_that_is_not_told_is_the_markets() -> None:
    (row,) = UnreadableRows().positions([position(contractSize=None)], CLIENT)
    assert row["contractSize"] == 0.01


@pytest.mark.parametrize("contracts", [0, None])
def test_nulls_throughout_are_no_position(contracts: Any) -> None:
    empty = position(side=None, contracts=contracts, contractSize=None, entryPrice=None)
    (row,) = UnreadableRows().positions([empty], CLIENT)
    assert (row["contracts"], row["entryPrice"]) == (0, 0)


def test_a_balance_is_whole_or_named() -> None:
    rows = UnreadableRows()
    read = rows.balances(
        {
            "info": {},
            "timestamp": None,
            "free": {},
            "USDT": {"free": 5, "used": 2, "total": None},
            "EUR": {"free": None, "used": 1, "total": 4},
            "BTC": {"free": None, "used": None, "total": None},
            "ETH": {"free": None, "used": None, "total": 3},
            "DEBT": {"free": -2.5, "used": 0, "total": -2.5},
        }
    )
    amounts = {a: (row["free"], row["total"]) for a, row in read.items() if a.isupper()}
    assert amounts == {"USDT": (5, 7), "EUR": (3, 4), "DEBT": (-2.5, -2.5)}
    assert rows.assets == {"BTC", "ETH"}
    rows.balances({"BTC": {"free": 1, "used": 0, "total": 1}})
    assert rows.assets == frozenset()
