"""Random worlds: whatever happens at an exchange, our books say what it says once it is quiet."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest

from backend.errors import ApiError
from backend.reports.pnl import ProfitAndLoss
from backend.schemas.accounting import PnlQuery
from backend.schemas.orders import OrderQuery
from backend.schemas.trades import TradeQuery
from tests.bridge.live_bridge import BTC, wait_until
from tests.exchanges.fraction_pnl import fraction_pnl
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

pytestmark = pytest.mark.long

WORLDS = int(os.environ.get("WORLDS", "3"))
SEED = int(os.environ.get("WORLDS_SEED", "1"))
"""WORLDS=100 WORLDS_SEED=1000 plays more of them, and others."""
ROUNDS = 3
STEPS = 10
KNOWN_WITHIN_S = 60
"""Bound of the time for which an order may be unknown: three of its give-up time and a busy CPU."""
TOLERANCE = Fraction(1, 10**15)
D = Decimal
SWITCHES: dict[str, list[Any]] = {
    "fee": ["received", "base", "quote", "third", "several"],
    "fees_in_orders": [True, False],
    "answers_id_only": [True, False],
    "average_told": ["always", "in_answers", "never"],
    "filled_told": [True, False],
    "trades_in_orders": [True, False],
    "told_statuses": [{}, {"canceled": "closed"}, {"expired": "closed"}, {"canceled": "canceling"}],
    "slippage_limit": [None, "0.05"],
    "parts": [["1"], ["0.5", "0.3", "0.2"]],
    "market_filled": ["1", "0.6"],
    "fee_rates": [["0.001", "0.001"], ["-0.0001", "0.0005"]],
    "doubled_rows": [True, False],
    "reordered_rows": [True, False],
    "late_polls": [0, 1],
    "hidden_trades": [True, False],
}
QUIET = {"late_polls": 0, "hidden_trades": False, "told_statuses": {}}
ERRORS = ("RequestTimeout", "NetworkError", "ExchangeNotAvailable", "InvalidOrder")


class RandomWorld:
    """One bot on one exchange, and what happens to both."""

    def __init__(self, live: OfflineBridge, seed: int) -> None:
        self.live = live
        self.chance = random.Random(seed)
        self.pnl = ProfitAndLoss(live.bridge, live.database)
        self.steps: list[Callable[[], None]] = [
            *[self.place_limit] * 3,
            *[self.place_market] * 3,
            *[self.execute] * 4,
            self.cancel,
            self.end,
            self.fail,
            self.switch,
        ]

    def play(self) -> None:
        """Take some steps, and perhaps restart the bot."""
        for _ in range(STEPS):
            with suppress(ApiError):  # refused, or of unknown outcome
                self.chance.choice(self.steps)()
        if self.chance.random() < 0.4:
            self.live.bridge.bot.stop()
            self.execute()
            self.end()
            self.live.bridge.bot.start()
            self.live.ready()

    def place_limit(self) -> None:
        side = self.chance.choice(["buy", "sell"])
        price = {"buy": "39000", "sell": "41000"}[side]
        self.live.place(type="limit", side=side, quantity=self._quantity(), price=price)

    def place_market(self) -> None:
        self.live.place(side=self.chance.choice(["buy", "sell"]), quantity=self._quantity())

    def execute(self) -> None:
        for order in self._open():
            steps = int((order.amount - order.filled) // D("0.01"))
            if steps:
                amount = D("0.01") * self.chance.randint(1, steps)
                self.live.exchange.fill(order.id, amount)
                return

    def end(self) -> None:
        for order in self._open():
            self.live.exchange.end(order.id, self.chance.choice(["expired", "canceled"]))
            return

    def cancel(self) -> None:
        orders = self.live.orders()
        if orders:
            self.live.bridge.orders.cancel(self.chance.choice(orders)["id"])

    def fail(self) -> None:
        endpoint = self.chance.choice(["create_order", "cancel_order", "fetch_my_trades"])
        self.live.exchange.fail(
            endpoint, self.chance.choice(ERRORS), after=self.chance.random() < 0.5, times=1
        )

    def switch(self) -> None:
        name = self.chance.choice(list(SWITCHES))
        self.live.exchange.behave(**{name: self.chance.choice(SWITCHES[name])})

    def check(self) -> None:
        """Wait until it is quiet, and compare everything with the exchange."""
        self.live.exchange.recover()
        self.live.exchange.behave(**QUIET)
        wait_until(lambda: self._differences() == [], KNOWN_WITHIN_S)
        assert self._differences() == []
        assert wait_until(lambda: self.live.balances_told() == self.live.exchange.balances())
        self._check_pnl()

    def _differences(self) -> list[object]:
        state = self.live.exchange.state()
        trades = {row["id"].rpartition(":")[2]: row for row in self._all("trades")}
        found: list[object] = []
        for each in state.executions:
            row = trades.pop(each.id, None)
            told = row and (D(row["quantity"]), D(row["price"]), D(row["cost"]), _fees(row))
            fees = tuple(sorted((fee.cost, fee.currency) for fee in each.fees))
            if told != (each.amount, each.price, each.cost, fees):
                found.append((each, row))
        found += trades.values()
        return found + self._order_differences(state.orders.values())

    def _order_differences(self, orders: Any) -> list[object]:
        """Return status, filled and cost of each order, there and here, where they differ."""
        told = {row["id"]: row for row in self._all("orders")}
        found: list[object] = []
        for order in orders:
            real = (order.status == "open", order.filled, order.cost)
            row = told.pop(order.client_id, None)
            mine = row and (row["status"], D(row["filled"]), D(row["cost"]))
            if mine is None or (mine[0] in ("open", "partially_filled"), *mine[1:]) != real:
                found.append((order.id, order.status, *real[1:], mine))
        # what never reached the exchange was refused
        return found + [row for row in told.values() if row["status"] != "rejected"]

    def _check_pnl(self) -> None:
        own = fraction_pnl(self.live.exchange.executions(), "BTC")
        told = self.pnl.read(PnlQuery())
        (symbol,) = [row for row in told.symbols if row.symbol == BTC] or [None]
        if symbol is None:
            assert not self.live.exchange.executions()
            return
        assert symbol.trades == len(self.live.exchange.executions())
        assert abs(Fraction(symbol.realized_pnl) - own.realized) < TOLERANCE
        assert abs(Fraction(symbol.unmatched_quantity) - own.unmatched) < TOLERANCE
        assert abs(Fraction(symbol.quantity) - own.quantity) < TOLERANCE
        assert {fee.currency: Fraction(fee.cost) for fee in symbol.fees} == own.fees

    def _all(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = (
                self.live.bridge.trades.page(TradeQuery(limit=500, cursor=cursor))
                if name == "trades"
                else self.live.bridge.orders.page(
                    OrderQuery(limit=500, cursor=cursor, status="all")
                )
            )
            answer = orjson.loads(page.body)
            rows += answer["data"]
            cursor = answer["pagination"]["next_cursor"]
            if cursor is None:
                return rows

    def _open(self) -> list[Any]:
        orders = [order for order in self.live.exchange.orders() if order.status == "open"]
        self.chance.shuffle(orders)
        return orders

    def _quantity(self) -> str:
        return str(D("0.01") * self.chance.randint(1, 20))


def _fees(row: dict[str, Any]) -> tuple[tuple[Decimal, str], ...]:
    told = row["fees"] or ([row["fee"]] if row["fee"] else [])
    return tuple(sorted((D(fee["cost"]), fee["currency"]) for fee in told))


@pytest.mark.parametrize("seed", range(SEED, SEED + WORLDS))
def test_our_books_say_what_the_exchange_says(tmp_path: Path, seed: int) -> None:
    with shutting_down(OfflineBridge(tmp_path)) as live:
        live.boot()
        world = RandomWorld(live, seed)
        for _ in range(ROUNDS):
            world.play()
            world.check()
