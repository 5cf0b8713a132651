"""A paper futures account comes back from restarts, to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal as D
from typing import Any

import pytest

from tests.server_process import Api, ForkServer, ServerProcess, fork_server_at, wait_until

pytestmark = pytest.mark.long

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
SYMBOLS = (BTC, ETH)
START = D(100_000)


def in_path(symbol: str) -> str:
    return symbol.replace("/", "-")


class Server:
    """A server on a futures account, whose prices stand still on both sides of a restart."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._server: ServerProcess = fork_server.start()
        self.api: Api = self._server.api()
        self.api.wait_until_ready()
        self.api.login()
        tickers = {symbol: self.api.get(f"/tickers/{in_path(symbol)}") for symbol in SYMBOLS}
        self.prices = {symbol: D(ticker["price"]) for symbol, ticker in tickers.items()}
        self.pin()

    def at(self, ratio: str) -> str:
        """Return a price of BTC at this ratio to the first one."""
        return str((self.prices[BTC] * D(ratio)).quantize(D("0.01")))

    def move(self, ratio: str) -> None:
        path = f"/sandbox/prices/{in_path(BTC)}"
        self.api.ask("PUT", path, {"price": self.at(ratio), "hold": True})

    def pin(self) -> None:
        for symbol, price in self.prices.items():
            path = f"/sandbox/prices/{in_path(symbol)}"
            self.api.ask("PUT", path, {"price": str(price), "hold": True})
        assert wait_until(lambda: self.marks() == self.prices)

    def marks(self) -> dict[str, D]:
        rows = self.api.get("/positions?status=all")
        return {row["symbol"]: D(row["mark_price"] or 0) for row in rows}

    def place(self, **fields: Any) -> dict[str, Any]:
        body = {"symbol": BTC, "side": "buy", "type": "market", "quantity": "0.5", **fields}
        order: dict[str, Any] = self.api.ask("POST", "/orders", body, expect=201)
        return order

    def restart_bot(self) -> None:
        self.api.ask("POST", "/bot/restart", expect=202)
        self.api.wait_until_ready()
        self.pin()

    def end(self) -> None:
        self._server.stop()
        self._begin_again()

    def kill(self) -> None:
        self._server.kill()
        self._begin_again()

    def account(self) -> dict[str, Any]:
        """Read all that a restart must not change."""
        self.api.ask("POST", "/portfolio/refresh")
        return {
            "positions": self.api.get("/positions?status=all"),
            "balances": self.api.get("/portfolio/balance"),
            "orders": self.api.every("/orders?status=all"),
            "trades": self.api.every("/trades/history"),
        }

    def _begin_again(self) -> None:
        self._server = self._fork_server.start()
        self.api = self._server.api(self.api.token)
        self.api.wait_until_ready()
        self.pin()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"exchange_type": "future", "paper_balance": {"USDT": str(START)}}
    home = tmp_path_factory.mktemp("home")
    with fork_server_at(home, sandbox_speed=1e-6, **settings) as fork_server:
        yield Server(fork_server)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared server, without a position."""
    for position in shared_server.api.get("/positions"):
        shared_server.api.ask(
            "POST", f"/positions/{in_path(position['symbol'])}/close", {}, expect=201
        )
    return shared_server


def settled(server: Server) -> dict[str, Any]:
    """Read the account once nothing more follows from what was done."""
    found = [server.account()]
    assert wait_until(lambda: found[-1] == (found.append(server.account()) or found[-1]))
    return found[-1]


def worth_of_trades(account: dict[str, Any], prices: dict[str, D]) -> D:
    """Count from the trades alone what the account is worth at these prices."""
    worth = START
    for trade in account["trades"]:
        sign = 1 if trade["side"] == "buy" else -1
        quantity, cost = D(trade["quantity"]), D(trade["cost"])
        worth += sign * (quantity * prices[trade["symbol"]] - cost) - D(trade["fee"]["cost"])
    return worth


def held_by_trades(account: dict[str, Any]) -> dict[str, D]:
    held = dict.fromkeys(SYMBOLS, D(0))
    for trade in account["trades"]:
        sign = 1 if trade["side"] == "buy" else -1
        held[trade["symbol"]] += sign * D(trade["quantity"])
    return held


def positions_of(account: dict[str, Any]) -> dict[str, D]:
    return {
        row["symbol"]: D(row["quantity"]) * (-1 if row["side"] == "short" else 1)
        for row in account["positions"]
    }


def total_of(account: dict[str, Any]) -> D:
    ((row,),) = [exchange["balances"] for exchange in account["balances"]]
    return D(row["total"])


def assert_true(server: Server, account: dict[str, Any]) -> None:
    """Positions and balance are what the trades made of them."""
    assert positions_of(account) == held_by_trades(account)
    assert total_of(account) == worth_of_trades(account, server.prices)


RESTARTS: tuple[Callable[[Server], None], ...] = (Server.restart_bot, Server.kill, Server.end)


def test_restarts_change_nothing_and_orders_go_on_working(server: Server) -> None:
    server.api.ask("PATCH", "/positions/BTC-USDT:USDT", {"leverage": 7, "margin_mode": "cross"})
    server.api.ask("PATCH", "/positions/ETH-USDT:USDT", {"leverage": 3})
    server.place()
    server.api.ask("POST", "/positions/BTC-USDT:USDT/close", {"quantity": "0.123"}, expect=201)
    server.place(symbol=ETH, side="sell", quantity="7.7777")
    resting = server.place(type="limit", price=server.at("0.975"), quantity="0.3")
    stop = server.place(
        side="sell",
        type="stop_loss",
        stop_price=server.at("0.96"),
        reduce_only=True,
        quantity="0.2",
    )
    before = settled(server)
    assert_true(server, before)
    assert [(row["leverage"], row["margin_mode"]) for row in before["positions"]] == [
        ("7", "cross"),
        ("3", "isolated"),
    ]

    for restart in RESTARTS * 2:
        restart(server)
        assert settled(server) == before

    server.move("0.97")
    order = f"/orders/{resting['id']}"
    assert wait_until(lambda: server.api.get(order)["status"] == "filled")
    server.move("0.95")
    order = f"/orders/{stop['id']}"
    assert wait_until(lambda: server.api.get(order)["status"] == "filled")
    server.pin()
    after = settled(server)
    assert_true(server, after)
    assert positions_of(after)[BTC] == D("0.477")  # 0.5 - 0.123 + 0.3 - 0.2
