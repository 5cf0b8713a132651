"""kill -9 while orders are on their way to a real exchange: what it has, we find again."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.recovery.running_server import RunningServer, running_server_at
from tests.server_process import GONE, Api, ForkServer, fork_server_at, wait_until

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("KILLS", "5"))
CLIENTS = 3
LATENCY_S = 0.1
GIVE_UP_AFTER_S = 3
GIVEN_UP_WITHIN_S = 60
Row = dict[str, Any]


def at_exchange(home: Path) -> dict[str, Row]:
    """Return the exchange's orders by the id that we gave them."""
    (account,) = json.loads((home / "sandbox.json").read_text())["accounts"].values()
    rows = account["orders"]
    by_id = {row["request"]["client_order_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


class Clients:
    """Send orders, one after the other, each under a key of its own."""

    def __init__(self) -> None:
        self.sent: dict[str, Row] = {}
        self.answered: dict[str, str] = {}

    def send(self, api: Api, key: str, body: Row) -> None:
        self.sent[key] = body
        answer = api.send("POST", "/orders", body, {"Idempotency-Key": key})
        assert answer.status == 201, answer.json
        self.answered[key] = answer.data["id"]

    def stream(self, api: Api, name: str) -> None:
        with suppress(*GONE):
            for number in range(1_000):
                kind = (
                    {"type": "market", "side": "buy"}
                    if number % 2
                    else {"type": "limit", "side": "buy", "price": "20000"}
                )
                key = f"{name}-{number}"
                body = {"symbol": "BTC/USDT", "quantity": "0.001", "tag": key, **kind}
                self.send(api, key, body)


def check(api: Api, clients: Clients, home: Path) -> None:
    """Assert that we tell of each order what the exchange has, or that we do not know."""
    exchange = at_exchange(home)
    told = {order["id"]: order for order in api.every("/orders?status=all")}
    assert set(exchange) <= set(told)
    assert set(clients.answered.values()) <= set(exchange)
    tags = [told[order_id]["tag"] for order_id in exchange]
    assert len(set(tags)) == len(tags)

    def is_true() -> bool:
        told.update((o["id"], o) for o in api.every("/orders?status=all"))
        expected = {"open": "open", "closed": "filled"}
        return all(told[key]["status"] == expected[row["status"]] for key, row in exchange.items())

    wait_until(is_true)
    assert is_true()
    filled = {key for key, row in exchange.items() if row["status"] == "closed"}

    def traded() -> list[str]:
        return sorted(trade["order_id"] for trade in api.every("/trades/history"))

    wait_until(lambda: traded() == sorted(filled))
    assert traded() == sorted(filled)
    others = {order["status"] for key, order in told.items() if key not in exchange}
    assert others <= {"unknown", "rejected"}


def start(fork_server: ForkServer, token: str | None) -> tuple[Any, Api]:
    server = fork_server.start()
    api = server.api(token)
    api.wait_until_ready()
    return server, api if token else api.login()


def test_kills_among_orders_to_an_exchange_leave_none_doubled_or_lost(tmp_path: Path) -> None:
    chance, clients, home, token = random.Random(5), Clients(), tmp_path / "home", None
    with fork_server_at(
        home,
        symbols=["BTC/USDT"],
        trading="real",
        sandbox_speed=1e-6,
        sandbox_latency_s=LATENCY_S,
        give_up_after_s=GIVE_UP_AFTER_S,
    ) as fork_server:
        for kill in range(KILLS):
            server, api = start(fork_server, token)
            token = api.token
            if kill:
                check(api, clients, home)
            threads = [
                threading.Thread(target=clients.stream, args=(api, f"{kill}-{name}"))
                for name in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.3, 0.8))
            server.kill()
            for thread in threads:
                thread.join(30)
        _, api = start(fork_server, token)
        check(api, clients, home)
        unanswered = set(clients.sent) - set(clients.answered)
        assert len(unanswered) > KILLS
        assert wait_until(
            lambda: not any(o["status"] == "unknown" for o in api.every("/orders")),
            GIVEN_UP_WITHIN_S,
        )
        check(api, clients, home)
        count = len(at_exchange(home))
        for key in unanswered:
            answer = api.send("POST", "/orders", clients.sent[key], {"Idempotency-Key": key})
            assert answer.status == 201
            assert answer.data["status"] in ("open", "filled", "rejected")
        placed_now = len(at_exchange(home)) - count
        told = {order["tag"] for order in api.every("/orders?status=all")}
        assert set(clients.sent) == told
        assert placed_now < len(unanswered)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def shared_server(home: Path) -> Iterator[RunningServer]:
    with running_server_at(home, trading="real", asks_often=True) as server:
        yield server


@pytest.fixture
def bracket(shared_server: RunningServer) -> Row:
    """An entry whose exits are both there, and which the bot watches one of by itself."""
    shared_server.pin("1")
    exits = {
        "take_profit": {"price": shared_server.at("1.05")},
        "stop_loss": {"stop_price": shared_server.at("0.95")},
    }
    entry = shared_server.place(side="buy", type="market", **exits)
    assert wait_until(lambda: ends(shared_server, entry) == {"limit": "open", "stop_loss": "open"})
    return entry


def exits_of(server: RunningServer, entry: Row) -> dict[str, Row]:
    rows = server.api.every("/orders?status=all")
    return {o["type"]: o for o in rows if o["parent_order_id"] == entry["id"]}


def ends(server: RunningServer, entry: Row) -> dict[str, str]:
    return {kind: order["status"] for kind, order in exits_of(server, entry).items()}


def assert_sold_once(server: RunningServer, home: Path, entry: Row) -> None:
    """The stop has sold, here and at the exchange, and nothing else has."""
    ended = {"limit": "canceled", "stop_loss": "filled"}
    assert wait_until(lambda: ends(server, entry) == ended), ends(server, entry)
    exits = exits_of(server, entry)
    mine = {entry["id"], *(order["id"] for order in exits.values())}
    filled = {entry["id"], exits["stop_loss"]["id"]}
    rows = at_exchange(home)
    assert {key for key in mine if key in rows and rows[key]["fills"]} == filled
    foreign = set(rows) - {o["id"] for o in server.api.every("/orders?status=all")}
    assert foreign == set()

    def traded() -> list[str]:
        trades = server.api.every("/trades/history")
        return sorted(trade["order_id"] for trade in trades if trade["order_id"] in mine)

    assert wait_until(lambda: traded() == sorted(filled)), traded()


def test_a_kill_leaves_both_exits_of_a_real_entry_at_work(
    shared_server: RunningServer, bracket: Row, home: Path
) -> None:
    shared_server.kill_process()
    shared_server.pin("0.94")
    assert_sold_once(shared_server, home, bracket)


@pytest.mark.parametrize("instant", ["a stop has triggered", "an order was sent"])
def test_a_stop_that_a_kill_interrupts_is_sold_once(
    shared_server: RunningServer, bracket: Row, home: Path, instant: str
) -> None:
    shared_server.restart_to_crash_after(instant)
    price = {"price": shared_server.at("0.94"), "hold": True}
    with suppress(*GONE):
        shared_server.api.ask("PUT", "/sandbox/prices/BTC-USDT", price)
    shared_server.await_crash()
    assert_sold_once(shared_server, home, bracket)
