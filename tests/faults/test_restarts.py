"""A paper account comes back from ten restarts as it was, and its orders go on working."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults import books
from tests.faults.books import Books
from tests.faults.processes import Nursery, nursery_at, wait_until

OPENED = {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}
TICK = Decimal("0.01")


class Account(NamedTuple):
    """All that a restart must not change."""

    books: Books
    baseline: Decimal


class Running:
    """A server that is restarted again and again, and the price that it began with."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._life = nursery.start()
        self.api = self._life.api()
        self.api.wait_until_ready()
        self.api.login()
        self.price = Decimal(self.api.get("/tickers/BTC-USDT")["price"])

    def at(self, ratio: str) -> str:
        """Return a price at this ratio to the first one."""
        return str((self.price * Decimal(ratio)).quantize(TICK, ROUND_DOWN))

    def place(self, **fields: Any) -> dict[str, Any]:
        body = {"symbol": "BTC/USDT", "quantity": "0.1", **fields}
        order: dict[str, Any] = self.api.ask("POST", "/orders", body, expect=201)
        return order

    def pin(self, ratio: str) -> None:
        """Hold the price there, and wait until the bot knows."""
        price = self.at(ratio)
        self.api.ask("PUT", "/sandbox/prices/BTC-USDT", {"price": price, "hold": True})
        told = "/tickers/BTC-USDT"
        assert wait_until(lambda: Decimal(self.api.get(told)["price"]) == Decimal(price))

    def status(self, order: dict[str, Any]) -> str:
        return str(self.api.get(f"/orders/{order['id']}")["status"])

    def await_status(self, status: str, *orders: dict[str, Any]) -> None:
        for order in orders:
            assert wait_until(lambda order=order: self.status(order) == status), order

    def account(self) -> Account:
        """Read everything, once the streams have nothing more to tell."""
        found = [books.read(self.api)]
        assert wait_until(lambda: found[-1] == (found.append(books.read(self.api)) or found[-1]))
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

    def end_process(self) -> None:
        self._life.stop()
        self._begin_again()

    def kill_process(self) -> None:
        self._life.kill()
        self._begin_again()

    def _begin_again(self) -> None:
        self._life = self._nursery.start()
        self.api = self._life.api(self.api.token)
        self.api.wait_until_ready()


RESTARTS: tuple[Callable[[Running], None], ...] = (
    Running.restart_bot,
    Running.kill_process,
    Running.end_process,
    Running.stop_and_start_bot,
    Running.kill_process,
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A server whose prices stand still, on both sides of a restart."""
    paper = {asset: str(amount) for asset, amount in OPENED.items()}
    with nursery_at(
        tmp_path / "home", symbols=["BTC/USDT"], paper_balance=paper, sandbox_speed=1e-6
    ) as nursery:
        yield Running(nursery)


def place_one_of_each(running: Running) -> dict[str, dict[str, Any]]:
    """Place orders that all rest at the first price, but for an entry that fills at once."""
    at, place = running.at, running.place
    near = {"take_profit": {"price": at("1.05")}, "stop_loss": {"stop_price": at("0.93")}}
    wide = {
        "take_profit": {"price": at("1.07")},
        "stop_loss": {"stop_price": at("0.9"), "price": at("0.89")},
    }
    profit = {"side": "sell", "stop_price": at("1.06")}
    return {
        "far": place(side="buy", type="limit", price=at("0.5")),
        "low": place(side="buy", type="limit", price=at("0.97")),
        "high": place(side="sell", type="limit", price=at("1.03")),
        "stop": place(side="sell", type="stop_loss", stop_price=at("0.94"), tag="last stop"),
        "profit": place(type="take_profit", **profit),
        "profit limit": place(type="take_profit_limit", price=at("1.055"), **profit),
        "trailing": place(side="sell", type="trailing_stop", stop_price=at("0.99")),
        "triggered": place(side="buy", type="stop_limit", stop_price=at("1.001"), price=at("0.98")),
        "resting": place(
            side="buy", type="limit", price=at("0.96"), client_order_id="mine", **near
        ),
        "entered": place(side="buy", type="market", **wide),
    }


def trigger(running: Running, orders: dict[str, dict[str, Any]]) -> None:
    """Trigger the stop limit, whose limit then rests, and pull the trailing stop."""
    running.pin("1.005")
    path = f"/orders/{orders['trailing']['id']}"
    begun = Decimal(orders["trailing"]["stop_price"])
    assert wait_until(lambda: Decimal(running.api.get(path)["stop_price"]) > begun)


def assert_exits_cancel_each_other(running: Running, *entries: dict[str, Any]) -> None:
    """The take profit of each entry has filled."""
    for entry in entries:
        ends = {o["type"]: o["status"] for o in books.read(running.api).exits_of(entry["id"])}
        assert ends.pop("limit") == "filled"
        assert list(ends.values()) == ["canceled"]


def test_ten_restarts_change_nothing_and_every_order_goes_on_working(running: Running) -> None:
    orders = place_one_of_each(running)
    trigger(running, orders)
    before = running.account()
    resting = ("far", "low", "triggered", "resting")
    assert before.books.locked["USDT"] == Decimal("0.1") * sum(
        Decimal(orders[name]["price"]) for name in resting
    )
    assert len(before.books.open_orders) == 11
    assert before.baseline > 0

    for restart in RESTARTS * 2:
        restart(running)
        after = running.account()
        assert after.books == before.books
        assert after.baseline == before.baseline

    running.pin("0.955")
    running.await_status("filled", *(orders[name] for name in ("low", "trailing", "resting")))
    running.await_status("filled", orders["triggered"])
    running.restart_bot()
    running.pin("1.08")
    running.await_status("filled", *(orders[name] for name in ("high", "profit", "profit limit")))
    assert_exits_cancel_each_other(running, orders["resting"], orders["entered"])
    running.pin("0.93")
    running.await_status("filled", orders["stop"])

    found = books.read_true(running.api, OPENED)
    assert [order["id"] for order in found.open_orders] == [orders["far"]["id"]]
    assert running.account().baseline == before.baseline
