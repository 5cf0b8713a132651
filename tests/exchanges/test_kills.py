"""kill -9 between a fill and its record: afterwards ours is what the exchange has."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.exchanges.exchange import FILE, NAME, OfflineExchange
from tests.server_process import GONE, Api, ForkServer, ServerProcess, fork_server_at
from tests.waiting import wait_until

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("KILLS", "5"))
SEED = os.environ.get("KILLS_SEED", "11")
"""KILLS=100 KILLS_SEED=7 looks longer, and elsewhere."""
CLIENTS = 2
KEYS = {"api_key": "offline-key-0123456789", "api_secret": "offline-secret-0123456789"}
ENDS = ("canceled", "expired", "rejected")
D = Decimal
Row = dict[str, Any]


class World:
    """Clients that place orders, and an exchange that executes them while nobody looks."""

    def __init__(self, exchange: OfflineExchange) -> None:
        self.exchange = exchange
        self.chance = random.Random(SEED)
        self.sent: dict[str, Row] = {}
        self.answered: dict[str, str] = {}

    def send(self, api: Api, key: str) -> None:
        """Send an order under a key, which may have been sent before."""
        answer = api.send("POST", "/orders", self.sent[key], {"Idempotency-Key": key})
        # one that a kill kept from the exchange is answered as rejected
        if answer.status == 201 and answer.data["status"] != "rejected":
            self.answered[key] = answer.data["id"]

    def stream(self, api: Api, name: str) -> None:
        """Send orders until the server is gone."""
        with suppress(*GONE):
            for number in range(1_000):
                market = {"type": "market", "side": "sell" if number % 4 else "buy"}
                limit = {"type": "limit", "side": "buy", "price": "39000"}
                key = f"{name}-{number}"
                chosen = market if number % 2 else limit
                self.sent[key] = {"symbol": "BTC/USDT", "quantity": "0.01", "tag": key, **chosen}
                self.send(api, key)

    def execute(self, most: int) -> None:
        """Execute parts of open orders, and end some of them."""
        for _ in range(most):
            waiting = [order for order in self.exchange.orders() if order.status == "open"]
            if not waiting:
                return
            order, step = self.chance.choice(waiting), D("0.001")
            left = (order.amount - order.filled) // step
            with suppress(AssertionError):  # it has been canceled meanwhile
                self.exchange.fill(order.id, step * self.chance.randint(1, int(left)))
                if self.chance.random() < 0.3:
                    self.exchange.end(order.id, self.chance.choice(ENDS))


def start(fork_server: ForkServer, token: str | None) -> tuple[ServerProcess, Api]:
    server = fork_server.start()
    api = server.api(token)
    if token is None:
        api.login()
        body = {**KEYS, "trading": "real", "enabled": True}
        api.ask("POST", f"/exchanges/{NAME}/credentials", body, expect=201)
    api.wait_until_ready()
    return server, api


def fees_of(row: Row) -> tuple[tuple[D, str], ...]:
    told = row["fees"] or ([row["fee"]] if row["fee"] else [])
    return tuple(sorted((D(fee["cost"]), fee["currency"]) for fee in told))


def trades_told(api: Api) -> list[tuple[Any, ...]]:
    return sorted(
        (row["order_id"], D(row["quantity"]), D(row["price"]), fees_of(row), row["estimated"])
        for row in api.every("/trades/history")
    )


def trades_at(exchange: OfflineExchange) -> list[tuple[Any, ...]]:
    state = exchange.state()
    return sorted(
        (
            state.orders[each.order_id].client_id,
            each.amount,
            each.price,
            tuple(sorted((fee.cost, fee.currency) for fee in each.fees)),
            False,
        )
        for each in state.executions
    )


def orders_told(api: Api) -> dict[str, tuple[Any, ...]]:
    return {
        row["id"]: (row["status"], D(row["filled"]), D(row["cost"]))
        for row in api.every("/orders?status=all")
        if row["status"] != "rejected" or D(row["filled"]) or row["average_price"]
    }


def orders_at(exchange: OfflineExchange) -> dict[str, tuple[Any, ...]]:
    def status(order: Any) -> str:
        if order.status == "open":
            return "partially_filled" if order.filled else "open"
        return "filled" if order.status == "closed" else str(order.status)

    return {
        order.client_id: (status(order), order.filled, order.cost) for order in exchange.orders()
    }


def check(api: Api, world: World) -> None:
    """Assert that orders, trades and balances are the exchange's, to the last digit."""
    exchange = world.exchange

    def differences() -> list[object]:
        told, real = orders_told(api), orders_at(exchange)
        rejected = {key for key, row in real.items() if row[0] == "rejected" and not row[1]}
        wrong: list[object] = [
            (key, told.get(key), real.get(key))
            for key in (told.keys() | real.keys()) - rejected
            if told.get(key) != real.get(key)
        ]
        return wrong + sorted(set(trades_told(api)) ^ set(trades_at(exchange)), key=str)

    wait_until(lambda: differences() == [])
    assert differences() == []
    assert trades_told(api) == trades_at(exchange)
    assert set(world.answered.values()) <= set(orders_at(exchange))
    api.ask("POST", "/portfolio/refresh")
    (account,) = api.get("/portfolio/balance")
    told = {row["asset"]: (D(row["total"]), D(row["available"])) for row in account["balances"]}
    assert {asset: amounts for asset, amounts in told.items() if any(amounts)} == (
        exchange.balances()
    )


def test_a_kill_between_a_fill_and_its_record_loses_and_doubles_nothing(tmp_path: Path) -> None:
    home, token = tmp_path / "home", None
    home.mkdir()
    exchange = OfflineExchange.create(
        home / FILE, fee="several", fees_in_orders=False, parts=["0.5", "0.3", "0.2"]
    )
    world = World(exchange)
    with fork_server_at(
        home,
        exchange=[NAME],
        symbols=["BTC/USDT"],
        trading="real",
        offline_exchange=True,
        give_up_after_s=3,
    ) as fork_server:
        for kill in range(KILLS):
            exchange.behave(
                answers_id_only=bool(kill % 2), latency_s=world.chance.choice([0, 0.02, 0.1])
            )
            server, api = start(fork_server, token)
            token = api.token
            if kill:
                check(api, world)
            threads = [
                threading.Thread(target=world.stream, args=(api, f"{kill}-{name}"))
                for name in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            until, before = time.monotonic() + world.chance.uniform(0.2, 1), len(world.answered)
            # a slow machine gets some orders done, too
            while time.monotonic() < until or len(world.answered) < before + 3:
                world.execute(1)
            server.kill()
            for thread in threads:
                thread.join(30)
            world.execute(3)
        _, api = start(fork_server, token)
        assert wait_until(
            lambda: all(row["status"] != "unknown" for row in api.every("/orders")), 90
        )
        check(api, world)
        for key in set(world.sent) - set(world.answered):
            world.send(api, key)
        told = [order["tag"] for order in api.every("/orders?status=all")]
        assert sorted(told) == sorted(set(world.sent) & set(told))
        check(api, world)
