"""A bridge with a real OctoBot on the sandbox exchange, and what tests ask of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from backend.bridge import Bridge
from backend.concurrency.host import ThreadHost
from backend.ports.events import Event
from backend.ports.serialized import SerializedResponse
from backend.schemas.order_commands import CancelQuery
from backend.schemas.orders import NewOrder, Order, OrderQuery
from backend.schemas.topics import Topic
from backend.schemas.trades import TradeQuery
from backend.settings.model import Settings
from backend.store import Database
from backend.store.journal import Journal
from tests.bridge.order_steps import steps_outside_the_table
from tests.waiting import run_concurrently as run_concurrently
from tests.waiting import wait_until

BTC, ETH, CROSS = "BTC/USDT", "ETH/USDT", "ETH/BTC"
SYMBOLS = (BTC, ETH, CROSS)
PRICES = {BTC: Decimal(40_000), ETH: Decimal(2_000), CROSS: Decimal("0.05")}
START = {"USDT": Decimal(1_000_000), "BTC": Decimal(100), "ETH": Decimal(100)}
FEE = Decimal("0.001")
TIMEOUT_S = 60
TURNS = 10
"""More turns of the bot's loop than an order takes from its price to its event."""
OF_NO_ORDER = CancelQuery(symbol="NO/ORDER")


def make_settings(home: Path, **overrides: object) -> Settings:
    """Settings of a bot with three markets and plenty of paper money."""
    return Settings(
        _env_file=None, home=home, **{"symbols": SYMBOLS, "paper_balance": START, **overrides}
    )


class Sink:
    """Keeps every event and snapshot, in order of arrival.

    While `passes` is not set, prices and boots are held up, and the bot's loop with them.
    """

    def __init__(self) -> None:
        self.passes = threading.Event()
        self.passes.set()
        self.events: list[Event] = []
        self.loads: list[tuple[Topic, dict[str, tuple[str | None, bytes]]]] = []

    def publish(self, event: Event, journal_number: int | None = None) -> None:
        if event.topic == "prices":
            self.passes.wait(TIMEOUT_S)
        self.events.append(event)

    def replace_snapshot(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        if topic == "candles":  # the first that a boot loads
            self.passes.wait(TIMEOUT_S)
        self.loads.append((topic, dict(items)))

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        return False

    def mark(self) -> int:
        """Return a mark of the present moment; `LiveBridge.mark` waits for all that was done."""
        return len(self.events)

    def since(self, mark: int, *topics: Topic) -> list[Event]:
        """Return what came since, of these topics; prices only when asked for."""
        wanted = topics or ("orders", "trades", "portfolio", "bot")
        return [event for event in self.events[mark:] if event.topic in wanted]

    def names(self, mark: int, *topics: Topic) -> list[str]:
        """Return the names of what came since."""
        return [event.name for event in self.since(mark, *topics)]

    def story(self, mark: int) -> list[str]:
        """Return the same of what came of orders, and of the portfolio only whether it came last.

        A slow bot tells of balances between two steps of an order, too.
        """
        names = self.names(mark)
        steps = [name for name in names if name != "portfolio_updated"]
        return steps + names[-1:] if names[-1:] == ["portfolio_updated"] else steps

    def await_name(self, mark: int, name: str) -> dict[str, Any]:
        """Wait for an event of this name and return its data."""

        def found() -> list[Event]:
            return [event for event in self.events[mark:] if event.name == name]

        assert wait_until(found), f"no {name}: {self.names(mark)}"
        data: dict[str, Any] = orjson.loads(found()[0].data)
        return data


class Amount(NamedTuple):
    """Total and available amount of one asset."""

    total: Decimal
    available: Decimal


def _amounts(exchange: dict[str, Any]) -> dict[str, Amount]:
    return {
        row["asset"]: Amount(Decimal(row["total"]), Decimal(row["available"]))
        for row in exchange["balances"]
    }


def content(prepared: SerializedResponse) -> Any:
    """Return the data of a prepared answer."""
    return orjson.loads(prepared.body)["data"]


class LiveBridge:
    """A bridge, the events that it published, and short ways to ask it."""

    def __init__(self, settings: Settings, **of_bridge: Any) -> None:
        self.settings = settings
        self.sink = Sink()
        self.database = Database(settings, ThreadHost())
        self.database.upgrade()
        journal = Journal(self.database)
        self.bridge = Bridge(settings, self.sink, ThreadHost(), journal, **of_bridge)
        self._steered: dict[str, tuple[int, Decimal]] = {}

    def boot(self) -> LiveBridge:
        self.bridge.boot()
        return self.ready()

    def shut(self) -> None:
        """Stop the bot, and what runs beside it; no order took a step that the table lacks."""
        self.bridge.close()
        assert steps_outside_the_table(self.sink.events) == []

    def ready(self) -> LiveBridge:
        """Wait until the bot runs, or is paused as it was before."""
        assert wait_until(lambda: self.state not in ("starting", "stopped")), self.state
        assert self.state in ("running", "paused"), self.bridge.bot.status()
        return self

    @property
    def state(self) -> str:
        return self.bridge.bot.status().state

    def price(self, symbol: str) -> Decimal | None:
        """Return the price that the bot has last told."""
        return next(self._prices(symbol), None)

    def _prices(self, symbol: str, mark: int = 0) -> Iterator[Decimal]:
        """Return the prices that the bot has told since, the last one first."""
        for event in reversed(self.sink.events[mark:]):
            if event.name == "price_update" and event.symbol == symbol:
                yield Decimal(orjson.loads(event.data)["price"])

    def steer(self, symbol: str, price: Decimal | str | int) -> None:
        """Hold a price, of which the bot hears soon."""
        self._steered[symbol] = (self.sink.mark(), Decimal(price))
        self.bridge.sandbox.pin(symbol, Decimal(price))

    def pin(self, symbol: str, price: Decimal | str | int) -> None:
        """Hold a price, and wait until the bot knows it."""
        self._hear(symbol)
        self.bridge.sandbox.pin(symbol, Decimal(price))
        assert wait_until(lambda: self.price(symbol) == Decimal(price), TIMEOUT_S)

    def _hear(self, symbol: str) -> None:
        """Wait until the bot knows of the price that it was steered to: or that would come late."""
        mark, price = self._steered.pop(symbol, (0, None))
        if price is not None:
            assert wait_until(lambda: price in self._prices(symbol, mark), TIMEOUT_S)

    def pin_all(self) -> LiveBridge:
        for symbol, price in PRICES.items():
            self._hear(symbol)
            self.bridge.sandbox.pin(symbol, price)
        for symbol, price in PRICES.items():
            self.pin(symbol, price)
        return self

    def catch_up(self) -> LiveBridge:
        """Wait until the bot has done what it began to, and all of that was told."""
        if self.state in ("running", "paused"):
            for _ in range(TURNS):
                self.bridge.markets.exchanges()
            # who changes orders is answered when all that happened before is committed and told
            assert self.bridge.orders.cancel_many(OF_NO_ORDER) == []
        else:
            assert wait_until(lambda: self._told_state() == self.state, TIMEOUT_S)
        return self

    def _told_state(self) -> str | None:
        events = self.sink.since(0, "bot")
        return orjson.loads(events[-1].data)["bot"]["state"] if events else "stopped"

    def mark(self) -> int:
        """Name the moment after all that was done before."""
        return self.catch_up().sink.mark()

    def settle(self) -> LiveBridge:
        """Wait until nothing more follows from what was done, and the balances have been told."""
        mark, deadline = self.sink.mark(), time.monotonic() + TIMEOUT_S
        while self._rest() or self.sink.since(mark) or not self._are_balances_told():
            mark = self.sink.mark()
            assert time.monotonic() < deadline, "something goes on and on"
        return self

    def _rest(self) -> None:
        """Let the bot go on for a moment: balances are told a little after what changed them."""
        time.sleep(0.05)
        self.catch_up()

    def _are_balances_told(self) -> bool:
        if self.state not in ("running", "paused"):
            return True
        for event in reversed(self.sink.events):
            if event.name == "portfolio_updated":
                told = orjson.loads(event.data)["portfolio"]["exchanges"]
                return all(_amounts(row) == self.balances() for row in told)
        return False

    def balances(self) -> dict[str, Amount]:
        (exchange,) = content(self.bridge.portfolio.balances())
        return _amounts(exchange)

    def totals(self) -> dict[str, Decimal]:
        return {asset: amount.total for asset, amount in self.balances().items()}

    def locked(self) -> dict[str, Decimal]:
        """Return what is locked, by asset; nothing where nothing is."""
        return {
            asset: amount.total - amount.available
            for asset, amount in self.balances().items()
            if amount.total != amount.available
        }

    def orders(self, **query: Any) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = content(self.bridge.orders.page(OrderQuery(**query)))
        return orders

    def trades(self, **query: Any) -> list[dict[str, Any]]:
        trades: list[dict[str, Any]] = content(self.bridge.trades.page(TradeQuery(**query)))
        return trades

    def place(self, **fields: Any) -> Order:
        return self.bridge.orders.create(new_order(**fields))

    def settled(self, order_id: str, status: str = "filled") -> Order:
        """Wait until an order stands so, and return it."""
        orders = self.bridge.orders
        assert wait_until(lambda: orders.get(order_id).status == status), orders.get(order_id)
        return orders.get(order_id)

    def cancel_all(self) -> None:
        results = self.bridge.orders.cancel_many(CancelQuery())
        assert [result for result in results if result.problem] == []


def new_order(**fields: Any) -> NewOrder:
    """A small market buy, unless told otherwise."""
    return NewOrder(
        **{"symbol": BTC, "side": "buy", "type": "market", "quantity": "0.01", **fields}
    )
