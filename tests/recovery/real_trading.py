"""A bot that trades with real money at the sandbox, where anything can go wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from backend.errors import ApiError
from backend.ports.serialized import SerializedResponse
from backend.sandbox.matching.faults import Fault
from backend.schemas.orders import OrderQuery
from backend.schemas.trades import TradeQuery
from tests.bridge.live_bridge import BTC, LiveBridge, make_settings, wait_until

GIVE_UP_S = 2.0
BOT_TIMEOUT_S = 2.0
TRUE_WITHIN_S = 60
_AS_OURS = {"open": "open", "closed": "filled", "canceled": "canceled", "rejected": "rejected"}


class Fill(NamedTuple):
    """One execution of an order of ours."""

    order_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal


class RealBridge(LiveBridge):
    """A bridge in real mode, and what its exchange has written down."""

    def __init__(self, home: Path, give_up_after_s: float = GIVE_UP_S) -> None:
        settings = make_settings(
            home,
            trading="real",
            symbols=(BTC,),
            sandbox_speed=1e-6,
            bot_timeout=BOT_TIMEOUT_S,
            paper_balance={"USDT": Decimal(1_000_000), "BTC": Decimal(100)},
        )
        super().__init__(settings, give_up_after_s=give_up_after_s)

    @contextmanager
    def fault(self, fault: Fault, endpoint: str) -> Iterator[None]:
        """Let requests to an endpoint fail; OctoBot's own repetitions too."""
        self.bridge.sandbox.faults.inject(fault, endpoint)
        try:
            yield
        finally:
            self.bridge.sandbox.faults.clear()

    @contextmanager
    def latency(self) -> Iterator[None]:
        """Let every request take longer than the bot is waited for."""
        self.bridge.sandbox.faults.latency_s = BOT_TIMEOUT_S * 1.5
        try:
            yield
        finally:
            time.sleep(BOT_TIMEOUT_S)  # what was sent stays slow
            self.bridge.sandbox.faults.clear()

    def at_exchange(self) -> dict[str, tuple[str, Decimal, Decimal]]:
        """Return status, quantity and filled of the exchange's orders, by our id."""
        rows = self._account()["orders"]
        ids = [row["request"]["client_order_id"] or row["id"] for row in rows]
        assert len(set(ids)) == len(ids)
        return {
            key: (
                _AS_OURS[row["status"]],
                Decimal(row["request"]["amount"]),
                sum((Decimal(fill["amount"]) for fill in row["fills"]), Decimal(0)),
            )
            for key, row in zip(ids, rows, strict=True)
        }

    def told(self) -> dict[str, tuple[str, Decimal, Decimal]]:
        """Return the same as our own API tells it.

        Stops that were canceled never were at the exchange: the bot watches them itself.
        """
        return {
            row["id"]: (row["status"], Decimal(row["quantity"]), Decimal(row["filled"]))
            for row in self.every_order()
            if row["status"] != "rejected"
            and (row["status"] != "canceled" or row["stop_price"] is None)
        }

    def every_order(self) -> list[dict[str, Any]]:
        """Return all orders that our API tells."""
        orders = self.bridge.orders
        return _every(
            lambda cursor: orders.page(OrderQuery(status="all", limit=500, cursor=cursor))
        )

    def every_trade(self) -> list[dict[str, Any]]:
        """Return all trades that our API tells."""
        trades = self.bridge.trades
        return _every(lambda cursor: trades.page(TradeQuery(limit=500, cursor=cursor)))

    def trades_at_exchange(self) -> list[Fill]:
        """Return what the exchange has filled: our order, quantity, price, fee."""
        return sorted(
            Fill(
                row["request"]["client_order_id"],
                Decimal(fill["amount"]),
                Decimal(fill["price"]),
                Decimal(fill["fee"]),
            )
            for row in self._account()["orders"]
            for fill in row["fills"]
        )

    def trades_told(self) -> list[Fill]:
        """Return the same as our own API tells it."""
        return sorted(
            Fill(
                row["order_id"],
                Decimal(row["quantity"]),
                Decimal(row["price"]),
                Decimal(row["fee"]["cost"]),
            )
            for row in self.every_trade()
        )

    def totals_by_trades(self) -> dict[str, Decimal]:
        """Count what the account holds from the trades that our API tells, and the deposit."""
        totals = dict(self.settings.paper_balance)
        for row in self.every_trade():
            sign = 1 if row["side"] == "buy" else -1
            totals["BTC"] += sign * Decimal(row["quantity"])
            totals["USDT"] -= sign * Decimal(row["cost"])
            totals[row["fee"]["currency"]] -= Decimal(row["fee"]["cost"])
        return totals

    def balances_at_exchange(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return total and free of each asset."""
        return {
            asset: (Decimal(free) + Decimal(locked), Decimal(free))
            for asset, (free, locked) in self._account()["balances"].items()
        }

    def await_truth(self) -> None:
        """Wait until our API tells what the exchange has."""
        wait_until(lambda: not self._untrue(), TRUE_WITHIN_S)
        untrue = self._untrue()
        assert untrue == {}, untrue
        self.bridge.portfolio.reload()
        assert {a: (b.total, b.available) for a, b in self.balances().items()} == (
            self.balances_at_exchange()
        )

    def await_whole_truth(self) -> None:
        """Wait for the same of trades too, and that they make the balances what they are."""
        self.await_truth()
        wait_until(lambda: self.trades_told() == self.trades_at_exchange(), TRUE_WITHIN_S)
        assert self.trades_told() == self.trades_at_exchange()
        assert self.totals_by_trades() == {a: b[0] for a, b in self.balances_at_exchange().items()}

    def refusal(self, **fields: Any) -> ApiError:
        """Place an order that fails, and return with what."""
        try:
            order = self.place(**fields)
        except ApiError as error:
            return error
        raise AssertionError(order)

    def _untrue(self) -> dict[str, tuple[object, object]]:
        """Return what our API tells of an order, and what the exchange does, where they differ."""
        told, real = self.told(), self.at_exchange()
        ids = told.keys() | real.keys()
        return {
            key: (told.get(key), real.get(key)) for key in ids if told.get(key) != real.get(key)
        }

    def _account(self) -> dict[str, Any]:
        state = json.loads((self.settings.home / "sandbox.json").read_text())
        (account,) = state["accounts"].values()
        return dict(account)


def _every(page: Callable[[str | None], SerializedResponse]) -> list[dict[str, Any]]:
    """Return all rows of a list, page after page."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = orjson.loads(page(cursor).body)
        rows += answer["data"]
        cursor = answer["pagination"]["next_cursor"]
        if cursor is None:
            return rows
