"""Clients that place, change and cancel orders at random and keep what they were answered."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.server_process import GONE, Api

CENT = Decimal("0.01")
# what a price that moves between a look and an order may bring about
_EXPECTED_REFUSALS = {"stop_price_reached", "exit_on_wrong_side", "price_would_take_at_once"}

Mix = Mapping[str, int]
"""How often which kind of order is placed, in relation to the others."""


@dataclass
class Intent:
    """One order as a client asked for it, its idempotency key, and its answer."""

    body: dict[str, Any]
    headers: dict[str, str]
    answer: tuple[int, Any] | None = None

    @property
    def tag(self) -> str:
        return str(self.body["tag"])

    def send(self, api: Api) -> tuple[int, Any]:
        """Send it, again or for the first time; returns the status and the order or refusal."""
        answer = api.send("POST", "/orders", self.body, self.headers)
        if answer.status == 201:
            return 201, answer.data
        return answer.status, answer.json["type"]


@dataclass
class Client:
    """One of several clients that trade concurrently.

    `canceled` holds what cancels were answered, `changes` the quantities that an order may have.
    """

    name: str
    symbol: str
    chance: random.Random
    mix: Mix
    intents: list[Intent] = field(default_factory=list)
    canceled: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, frozenset[str]] = field(default_factory=dict)
    unexpected: list[object] = field(default_factory=list)

    def stream(self, api: Api, until: threading.Event) -> None:
        """Place and cancel orders until told, or until the server is gone."""
        with suppress(*GONE):
            while not until.is_set():
                ticker = api.get(f"/tickers/{self.symbol.replace('/', '-')}")
                price = Decimal(ticker["price"])
                for _ in range(4):
                    self._act(api, price)

    def unanswered(self) -> list[Intent]:
        return [intent for intent in self.intents if intent.answer is None]

    def _act(self, api: Api, price: Decimal) -> None:
        what = self.chance.random()
        if what < 0.3:
            order = self._choose_open()
            if order is not None:
                self._cancel(api, order["id"]) if what < 0.22 else self.change(api, order)
            return
        intent = self._new_intent(price)
        self.intents.append(intent)
        intent.answer = intent.send(api)
        status, what = intent.answer
        if status != 201 and what not in _EXPECTED_REFUSALS:
            self.unexpected.append((intent, what))

    def _choose_open(self) -> dict[str, Any] | None:
        """Return one of the newest that was open when it was placed."""
        placed = [intent.answer[1] for intent in self.intents[-10:] if intent.answer]
        resting = [row for row in placed if isinstance(row, dict) and row["status"] == "open"]
        return self.chance.choice(resting) if resting else None

    def _cancel(self, api: Api, order_id: str) -> None:
        answer = api.send("DELETE", f"/orders/{order_id}")
        if answer.status == 200:
            self.canceled[order_id] = answer.data
        elif answer.json["type"] != "order_not_open":
            self.unexpected.append((order_id, answer.json))

    def change(self, api: Api, order: dict[str, Any]) -> None:
        """Ask for another quantity: until that is answered, the order may have either."""
        quantity = str(self.chance.randint(100, 999) * Decimal("0.00001"))
        before = self.changes.get(order["id"], frozenset({order["quantity"]}))
        self.changes[order["id"]] = before | {quantity}
        answer = api.send("PATCH", f"/orders/{order['id']}", {"quantity": quantity})
        if answer.status == 200:
            self.changes[order["id"]] = frozenset({quantity})
        elif answer.json["type"] in _EXPECTED_REFUSALS | {"order_not_open"}:
            self.changes[order["id"]] = before  # it may have had this very quantity already
        else:
            self.unexpected.append((order["id"], answer.json))

    def _new_intent(self, price: Decimal) -> Intent:
        number = len(self.intents)
        key = f"{self.name}-{number}"
        body = {"symbol": self.symbol, "tag": key, **self._new_order(price)}
        headers = {}
        if number % 3 != 1:
            body["client_order_id"] = f"c-{key}"
        if number % 3 != 2:
            headers["Idempotency-Key"] = f"h-{key}"
        return Intent(body, headers)

    def _new_order(self, price: Decimal) -> dict[str, Any]:
        """Return an order near the market, so that many fill soon, and some rest."""
        side = self.chance.choice(("buy", "sell"))
        sign = 1 if side == "buy" else -1
        quantity = str(self.chance.randint(100, 999) * Decimal("0.00001"))
        worse = str(price - sign * self._distance())
        better = str(price + sign * self._distance())
        common = {"side": side, "quantity": quantity}
        (kind,) = self.chance.choices(list(self.mix), list(self.mix.values()))
        exits = {"take_profit": {"price": better}, "stop_loss": {"stop_price": worse}}
        far = str(price - sign * self._distance() - 40)
        return {
            "market": {**common, "type": "market"},
            "limit": {**common, "type": "limit", "price": worse},
            "bracket": {**common, "type": "market", **exits},
            "resting bracket": {
                **common,
                "type": "limit",
                "price": worse,
                "take_profit": {"price": better},
                "stop_loss": {"stop_price": far},
            },
            "stop": {**common, "type": "stop_loss", "stop_price": better},
            "trailing": {**common, "type": "trailing_stop", "stop_price": better},
        }[kind]

    def _distance(self) -> Decimal:
        return self.chance.randint(100, 4000) * CENT
