"""Loop that kills a server at random instants and checks every answer that its clients had."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.recovery import account_state
from tests.recovery.account_state import OPEN, AccountState
from tests.recovery.order_clients import Client, Intent, Mix
from tests.server_process import Api, ServerProcess, fork_server_at
from tests.waiting import wait_until

KILLS = int(os.environ.get("KILLS", "16"))
"""Of each of two tests; futures have fewer. KILLS=1000 KILLS_SEED=7 looks longer, and elsewhere."""
SEED = os.environ.get("KILLS_SEED", "3")
CLIENTS = 3
OPENED = {"USDT": Decimal(10_000_000), "BTC": Decimal(1_000)}


@dataclass(frozen=True)
class Market:
    """Where orders go: its settings, and how its account is read once all fits together."""

    symbol: str
    opened: Mapping[str, Decimal]
    read_true: Callable[[Api], AccountState]
    settings: Mapping[str, object] = field(default_factory=dict)


SPOT = Market("BTC/USDT", OPENED, lambda api: account_state.read_true(api, OPENED))


class ExpectedState:
    """Clients of a server that is killed again and again, and checks of what they were answered."""

    def __init__(self, mix: Mix, market: Market) -> None:
        self.market = market
        self.chance = random.Random(SEED)
        self.clients = [
            Client(f"{n}", market.symbol, random.Random(f"{SEED}-{n}"), mix) for n in range(CLIENTS)
        ]
        self.token: str | None = None
        self.checks = 0

    def api(self, server: ServerProcess) -> Api:
        """Return a client's view of a server whose bot is ready."""
        api = server.api(self.token)
        api.wait_until_ready()
        if self.token is None:
            self.token = api.login().token
        return api

    @property
    def intents(self) -> list[Intent]:
        return [intent for client in self.clients for intent in client.intents]

    def stream_until_killed(self, api: Api, server: ServerProcess) -> None:
        over = threading.Event()
        threads = [
            threading.Thread(target=client.stream, args=(api, over)) for client in self.clients
        ]
        for thread in threads:
            thread.start()
        time.sleep(self.chance.uniform(0.05, 0.5))
        # a slow machine gets some orders done, too
        wait_until(lambda: self._filled_orders() > 2 * self.checks)
        server.kill()
        over.set()
        for thread in threads:
            thread.join(30)
        assert [client.unexpected for client in self.clients] == [[]] * CLIENTS

    def _filled_orders(self) -> int:
        answers = [intent.answer for intent in self.intents if intent.answer is not None]
        return sum(status == 201 and what["status"] == "filled" for status, what in answers)

    def ask_again(self, api: Api) -> None:
        """Send all that was not answered once more, and twice at once; and some that was."""
        answered = [intent for intent in self.intents if intent.answer is not None]
        for intent in self.chance.sample(answered, min(3, len(answered))):
            status, what = intent.send(api)
            assert status == intent.answer[0]
            assert (what if status != 201 else what["id"]) == (
                intent.answer[1] if status != 201 else intent.answer[1]["id"]
            )
        with ThreadPoolExecutor(2) as pool:
            for client in self.clients:
                for intent in client.unanswered():
                    first, second = pool.map(lambda i: i.send(api), [intent, intent])
                    assert _identity(first) == _identity(second)
                    intent.answer = first

    def check(self, api: Api) -> None:
        """Assert that the account is consistent and agrees with every answer."""
        found = self.market.read_true(api)
        self._check_intents(found)
        self._check_ends(found)
        self.checks += 1

    def _check_intents(self, found: AccountState) -> None:
        """Assert that an accepted order is listed once and a refused one is not."""
        by_tag = defaultdict(list)
        for order in found.orders:
            if order["parent_order_id"] is None:
                by_tag[order["tag"]].append(order)
        for intent in self.intents:
            placed = by_tag.pop(intent.tag, [])
            status, what = intent.answer
            if status == 201:
                (order,) = placed
                assert order["id"] == what["id"]
                if what["status"] not in OPEN:
                    assert order == what
                possible = self._quantities(intent, what)
                assert Decimal(order["quantity"]) in map(Decimal, possible), (order, possible)
                asks_exits = "take_profit" in intent.body and order["status"] == "filled"
                assert len(found.exits_of(order["id"])) == (2 if asks_exits else 0)
            else:
                assert placed == []
        assert dict(by_tag) == {}

    def _quantities(self, intent: Intent, answer: dict[str, Any]) -> frozenset[str]:
        changes = [client.changes.get(answer["id"]) for client in self.clients]
        return next((change for change in changes if change), frozenset({intent.body["quantity"]}))

    def _check_ends(self, found: AccountState) -> None:
        """Assert that canceled orders are as the cancel was answered."""
        orders = {order["id"]: order for order in found.orders}
        for client in self.clients:
            for order_id, ended in client.canceled.items():
                assert orders[order_id] == ended


def _identity(answer: tuple[int, object]) -> tuple[int, object]:
    status, what = answer
    return status, what["id"] if isinstance(what, dict) else what


def _cancel_all(api: Api, market: Market) -> None:
    """Every open order is one that the bot holds: it can be canceled."""
    results = api.ask("DELETE", "/orders")
    assert [result for result in results if result["problem"]] == []
    assert market.read_true(api).open_orders == []


def kill_again_and_again(
    home: Path, mix: Mix, market: Market = SPOT, *, kills: int = KILLS
) -> AccountState:
    """Kill a server in boots and among orders, check it after each start, return the last state."""
    expected, kills_in_boots = ExpectedState(mix, market), kills * 35 // 100
    in_boots = set(expected.chance.sample(range(1, kills), kills_in_boots))
    paper = {asset: str(amount) for asset, amount in market.opened.items()}
    settings = {"symbols": [market.symbol], "paper_balance": paper, **market.settings}
    with fork_server_at(home, sandbox_speed=100, bot_timeout=60, **settings) as fork_server:
        for kill in range(kills):
            server = fork_server.start()
            if kill in in_boots:
                time.sleep(expected.chance.uniform(0, 0.9))
                server.kill()
                continue
            api = expected.api(server)
            expected.ask_again(api)
            expected.check(api)
            if kill % 10 == 9:
                _cancel_all(api, market)
            expected.stream_until_killed(api, server)
        api = expected.api(fork_server.start())
        expected.ask_again(api)
        expected.check(api)
        _cancel_all(api, market)
        found = account_state.read(api)
    assert expected.checks == kills - kills_in_boots + 1
    return found
