"""Server with a ready bot that can be stopped, killed and restarted, and shorthands for its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tests import waiting
from tests.recovery import account_state
from tests.recovery.account_state import AccountState
from tests.server_process import Answer, ForkServer, fork_server_at, wait_until

OPENED = {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}
TICK = Decimal("0.01")


class Account(NamedTuple):
    """State of an account that a restart must not change."""

    state: AccountState
    baseline: Decimal


class RunningServer:
    """Server that is restarted again and again, with the price that it began with."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._server = fork_server.start()
        self.api = self._server.api()
        self.api.wait_until_ready()
        self.api.login()
        self.price = Decimal(self.api.get("/tickers/BTC-USDT")["price"])

    @property
    def pid(self) -> int:
        return self._server.pid

    def at(self, ratio: str) -> str:
        """Return a price at this ratio to the first one."""
        return str((self.price * Decimal(ratio)).quantize(TICK, ROUND_DOWN))

    def place(self, **fields: Any) -> dict[str, Any]:
        body = {"symbol": "BTC/USDT", "quantity": "0.1", **fields}
        order: dict[str, Any] = self.api.ask("POST", "/orders", body, expect=201)
        return order

    def post(self, key: str | None = None, **fields: Any) -> Answer:
        """Post an order and return the whole answer."""
        body = {"symbol": "BTC/USDT", "quantity": "0.1", **fields}
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.api.send("POST", "/orders", body, headers)

    def pin(self, ratio: str) -> None:
        """Hold the price there, and wait until the bot knows."""
        price = self.at(ratio)
        self.api.ask("PUT", "/sandbox/prices/BTC-USDT", {"price": price, "hold": True})
        assert wait_until(lambda: Decimal(self.bots_price()) == Decimal(price))

    def bots_price(self) -> str:
        """Return the price that the bot goes by: a ticker comes from the exchange, and sooner."""
        market = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.1"}
        return str(self.api.ask("POST", "/orders/preview", market)["price"])

    def status(self, order: dict[str, Any]) -> str:
        return str(self.api.get(f"/orders/{order['id']}")["status"])

    def await_status(self, status: str, *orders: dict[str, Any]) -> None:
        for order in orders:
            assert wait_until(lambda order=order: self.status(order) == status), order

    def account_state(self) -> AccountState:
        """Read everything, and assert that it fits together."""
        return account_state.read_true(self.api, OPENED)

    def account(self) -> Account:
        """Read everything, once the streams have nothing more to tell."""
        found = [account_state.read(self.api)]
        assert wait_until(
            lambda: found[-1] == (found.append(account_state.read(self.api)) or found[-1])
        )
        worth = self.api.get("/portfolio")
        baseline = Decimal(worth["total_value"]) - Decimal(worth["profitability"]["value"])
        return Account(found[-1], baseline)

    def restart_bot(self) -> None:
        self.api.ask("POST", "/bot/restart", expect=202)
        self.api.wait_until_ready()

    def stop_and_start_bot(self) -> None:
        self.api.ask("POST", "/bot/stop")
        self.api.ask("POST", "/bot/start", expect=202)
        self.api.wait_until_ready()

    def stop_process(self) -> None:
        self._server.stop()
        self._begin_again()

    def kill_process(self) -> None:
        self._server.kill()
        self._begin_again()

    def restart_process(self, **settings: object) -> None:
        """Start again with more settings for this one time."""
        self._server.kill()
        self._begin_again(**settings)

    def restart_to_crash_after(self, instant: str) -> None:
        """Start again a process that kills itself right after the named instant."""
        self._server.stop()
        self._begin_again(crashes_after=instant)

    def await_crash(self) -> None:
        """Wait until the process has killed itself, and start again."""
        self._server.await_death()
        self._begin_again()

    def _begin_again(self, **settings: object) -> None:
        self._server = self._fork_server.start(**settings)
        self.api = self._server.api(self.api.token)
        self.api.wait_until_ready()


@contextmanager
def running_server_at(home: Path, **settings: object) -> Iterator[RunningServer]:
    """Start a server whose prices stand still, on both sides of a restart."""
    paper = {asset: str(amount) for asset, amount in OPENED.items()}
    with fork_server_at(
        home, symbols=["BTC/USDT"], paper_balance=paper, sandbox_speed=1e-6, **settings
    ) as fork_server:
        yield RunningServer(fork_server)


def run_concurrently(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make all calls at the same moment, each in a thread, and return what they return."""
    outcomes = waiting.run_concurrently(calls)
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    return outcomes
