"""kill -9 among futures orders of every kind: positions and margins are what the trades made."""

from __future__ import annotations

import os
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.recovery import account_state
from tests.recovery.account_state import AccountState
from tests.recovery.kill_loop import Market, kill_again_and_again
from tests.server_process import Api, wait_until

pytestmark = pytest.mark.long

BTC, BTC_IN_PATH = "BTC/USDT:USDT", "BTC-USDT:USDT"
START = D(10_000_000)
KILLS = int(os.environ.get("KILLS", "10"))
EVERY_KIND = {"market": 25, "limit": 30, "bracket": 15, "resting bracket": 10, "stop": 10}


def hold(api: Api) -> D:
    """Hold the price where it is, and wait until the positions are valued at it."""
    price = D(api.get(f"/tickers/{BTC_IN_PATH}")["price"])
    body = {"price": str(price), "hold": True}
    api.ask("PUT", f"/sandbox/prices/{BTC_IN_PATH}", body)
    told = f"/tickers/{BTC_IN_PATH}"
    assert wait_until(lambda: D(api.get(told)["price"]) == price)
    return price


def held_by(found: AccountState) -> D:
    """Count from the trades alone what is held; below zero: sold short."""
    return sum((sign_of(trade) * D(trade["quantity"]) for trade in found.trades), D(0))


def worth_of(found: AccountState, price: D) -> D:
    """Count from the trades alone what the account is worth."""
    return START + sum(
        (
            sign_of(trade) * (D(trade["quantity"]) * price - D(trade["cost"]))
            - D(trade["fee"]["cost"])
            for trade in found.trades
        ),
        D(0),
    )


def sign_of(row: account_state.Row) -> int:
    return 1 if row["side"] in ("buy", "long") else -1


def read_true(api: Api) -> AccountState:
    """Read until everything fits together; fails with what does not, if it never does."""
    price = hold(api)
    found: list[AccountState] = []

    def wrong() -> list[str]:
        found[:] = [account_state.read(api)]
        rows = api.get("/positions")
        positions = {row["symbol"]: sign_of(row) * D(row["quantity"]) for row in rows}
        tied = {"USDT": sum(D(row["margin"]) + D(row["unrealized_pnl"]) for row in rows)}
        held, worth = {BTC: held_by(found[0])}, {"USDT": worth_of(found[0], price)}
        is_resting = any(order["type"] == "limit" for order in found[0].open_orders)
        return [
            *account_state.wrong_in_orders(found[0]),
            *account_state.different("position", positions, held),
            *account_state.different("total", found[0].totals, worth),
            *([] if is_resting else account_state.different("locked", found[0].locked, tied)),
        ]

    wait_until(lambda: not wrong())
    assert wrong() == []
    api.ask("DELETE", f"/sandbox/prices/{BTC_IN_PATH}")
    return found[0]


FUTURES = Market(BTC, {"USDT": START}, read_true, {"exchange_type": "future"})


def test_kills_among_futures_orders_lose_and_double_nothing(tmp_path: Path) -> None:
    found = kill_again_and_again(tmp_path / "home", EVERY_KIND, FUTURES, kills=KILLS)
    assert {order["status"] for order in found.orders} >= {"filled", "canceled"}
    assert len(found.trades) > KILLS
