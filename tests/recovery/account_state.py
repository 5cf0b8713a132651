"""Orders, trades and balances of one account as the API shows them, and their consistency."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.server_process import Api, wait_until

Row = dict[str, Any]
OPEN = ("open", "partially_filled", "unknown")
ZERO = Decimal(0)


@dataclass
class AccountState:
    """One account at one moment: all orders and trades, newest first, and its balances."""

    orders: list[Row]
    trades: list[Row]
    totals: dict[str, Decimal]
    locked: dict[str, Decimal]

    @property
    def open_orders(self) -> list[Row]:
        return [order for order in self.orders if order["status"] in OPEN]

    def order(self, order_id: str) -> Row:
        (found,) = [order for order in self.orders if order["id"] == order_id]
        return found

    def exits_of(self, order_id: str) -> list[Row]:
        return [order for order in self.orders if order["parent_order_id"] == order_id]


def read(api: Api) -> AccountState:
    """Read the whole account; a concurrent fill may show in one list and not in another."""
    (exchange,) = api.get("/portfolio/balance")
    rows = exchange["balances"]
    return AccountState(
        orders=api.every("/orders?status=all"),
        trades=api.every("/trades/history"),
        totals={row["asset"]: Decimal(row["total"]) for row in rows},
        locked={row["asset"]: Decimal(row["locked"]) for row in rows if Decimal(row["locked"])},
    )


def read_true(api: Api, opened: Mapping[str, Decimal]) -> AccountState:
    """Read until the account is consistent; fail with its inconsistencies if it never is."""
    found: list[AccountState] = []

    def fits() -> bool:
        found[:] = [read(api)]
        return not wrong_in(found[0], opened)

    wait_until(fits)
    wrong = wrong_in(found[0], opened)
    assert wrong == [], wrong
    return found[0]


def wrong_in(state: AccountState, opened: Mapping[str, Decimal]) -> list[str]:
    """Return a description of each inconsistency."""
    return [
        *wrong_in_orders(state),
        *different("total", state.totals, _totals(state, opened)),
        *different("locked", state.locked, _locked(state)),
    ]


def wrong_in_orders(state: AccountState) -> list[str]:
    """Return a description of each inconsistency between orders and trades."""
    return [*_wrong_ids(state), *_wrong_trades(state), *_wrong_exits(state)]


def _wrong_ids(state: AccountState) -> list[str]:
    orders = Counter(order["id"] for order in state.orders)
    trades = Counter(trade["id"] for trade in state.trades)
    doubled = [key for counted in (orders, trades) for key, n in counted.items() if n > 1]
    return [f"listed twice: {key}" for key in doubled]


def _wrong_trades(state: AccountState) -> list[str]:
    """An order is filled by one trade of its whole quantity, and no other has any."""
    traded = Counter(trade["order_id"] for trade in state.trades)
    wrong = []
    for order in state.orders:
        count = traded.pop(order["id"], 0)
        if count != (order["status"] == "filled"):
            wrong.append(f"{count} trades of {order['status']} order {order['id']}")
    wrong += [f"trades of no order {order_id}" for order_id in traded]
    by_order = {trade["order_id"]: trade for trade in state.trades}
    for order in state.orders:
        trade = by_order.get(order["id"])
        if trade is not None and (trade["quantity"], trade["cost"], trade["fee"]) != (
            order["filled"],
            order["cost"],
            order["fee"],
        ):
            wrong.append(f"order {order} is not its trade {trade}")
    return wrong


def _wrong_exits(state: AccountState) -> list[str]:
    """Exits come with their entry's fill, and one that fills cancels the other."""
    status = {order["id"]: order["status"] for order in state.orders}
    exits = defaultdict(list)
    for order in state.orders:
        if order["parent_order_id"] is not None:
            exits[order["parent_order_id"]].append(order["status"])
    wrong = []
    for entry_id, ends in exits.items():
        if status[entry_id] != "filled" or len(ends) > 2:
            wrong.append(f"exits {ends} of {status[entry_id]} {entry_id}")
        if ends.count("filled") > 1 or ("filled" in ends and "open" in ends):
            wrong.append(f"exits of {entry_id} do not cancel each other: {ends}")
    return wrong


def _totals(state: AccountState, opened: Mapping[str, Decimal]) -> dict[str, Decimal]:
    totals = defaultdict(Decimal, opened)
    for trade in state.trades:
        base, quote = trade["symbol"].split("/")
        sign = 1 if trade["side"] == "buy" else -1
        totals[base] += sign * Decimal(trade["quantity"])
        totals[quote] -= sign * Decimal(trade["cost"])
        totals[trade["fee"]["currency"]] -= Decimal(trade["fee"]["cost"])
    return dict(totals)


def _locked(state: AccountState) -> dict[str, Decimal]:
    """A resting limit order locks what it pays, a stop nothing; the fee comes from what it gets."""
    locked: dict[str, Decimal] = defaultdict(Decimal)
    for order in state.open_orders:
        if order["type"] == "limit":
            base, quote = order["symbol"].split("/")
            quantity = Decimal(order["quantity"])
            if order["side"] == "sell":
                locked[base] += quantity
            else:
                locked[quote] += quantity * Decimal(order["price"])
    return dict(locked)


def different(
    what: str, found: Mapping[str, Decimal], expected: Mapping[str, Decimal]
) -> list[str]:
    return [
        f"{what} {asset}: {found.get(asset, ZERO)} instead of {expected.get(asset, ZERO)}"
        for asset in sorted({*found, *expected})
        if found.get(asset, ZERO) != expected.get(asset, ZERO)
    ]
