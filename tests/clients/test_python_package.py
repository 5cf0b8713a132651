"""The package in clients/python, against a running server that is restarted and killed under it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from octobot_client import (
    ApiError,
    AuthenticationFailed,
    Client,
    Conflict,
    ConnectionFailed,
    Event,
    InvalidRequest,
    Mirror,
    NotFound,
    Refused,
)

from benchmarks.live import PASSWORD, free_port
from tests.clients.doc_snippets import ROOT, code_blocks
from tests.clients.restartable_server import RestartableServer
from tests.streams.stream_client import wait_until

pytestmark = [pytest.mark.long, pytest.mark.every_line]

LIMIT = ("BTC/USDT", "buy", "limit", "0.001")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableServer]:
    server = RestartableServer(tmp_path_factory.mktemp("home"), token_expiry=2, sandbox_speed=1e-6)
    yield server
    server.stop()
    server.close()
    for thread in Follower.threads:  # their streams have ended, and their clients are closed
        thread.join(10)


@pytest.fixture
def client(server: RestartableServer) -> Iterator[Client]:
    with Client(server.server.url, username="admin", password=PASSWORD) as client:
        yield client


@pytest.fixture
def low(client: Client) -> Decimal:
    """A price at which a buy order rests."""
    price = client.ticker("BTC/USDT").price
    assert price is not None
    return (price * Decimal("0.8")).quantize(Decimal(1))


class Follower:
    """Follows a stream in a thread and keeps all that it is told."""

    threads: ClassVar[list[threading.Thread]] = []

    def __init__(self, client: Client, *topics: str, last_id: str | None = None) -> None:
        self.seen: list[Event] = []
        self.mirror = Mirror()
        self.error: Exception | None = None
        self._stream = client.stream(topics, last_id=last_id)
        thread = threading.Thread(target=self._follow, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _follow(self) -> None:
        try:
            for event in self._stream:
                self.mirror.apply(event)
                self.seen.append(event)
        except Exception as error:
            self.error = error

    @property
    def last_id(self) -> str | None:
        return self._stream.last_id

    def names(self) -> list[str]:
        return [event.name for event in self.seen]


def test_the_account_is_told_in_decimals(client: Client) -> None:
    portfolio = client.portfolio()
    usdt = portfolio.balance("USDT")
    assert usdt is not None
    values = [row.value for place in portfolio.exchanges for row in place.balances]
    assert portfolio.total_value == sum(value for value in values if value is not None)
    assert usdt.total == usdt.available + usdt.locked
    assert portfolio.balance("NOPE") is None
    assert client.me().username == "admin"


def test_markets_are_told_in_decimals(client: Client) -> None:
    [exchange] = client.exchanges()
    markets = {market.symbol: market for market in client.markets(exchange.id)}
    assert set(exchange.symbols) <= set(markets)
    assert markets["BTC/USDT"].price_step == Decimal("0.01")
    [ticker] = client.tickers("BTC/USDT")
    candles = client.candles("BTC/USDT", limit=3)
    assert [type(candle.close) for candle in candles] == [Decimal] * 3
    assert candles[0].time < candles[1].time < candles[2].time
    assert ticker.timestamp.utcoffset() == timezone.utc.utcoffset(None)


def test_an_order_lives_from_placing_to_cancel(client: Client, low: Decimal) -> None:
    order = client.orders.create(*LIMIT, price=low, tag="mine")
    assert (order.status, order.price, order.tag) == ("open", low, "mine")
    assert client.orders.get(order.id) == order
    assert order in client.orders.list(symbol="BTC/USDT")
    changed = client.orders.edit(order.id, price=low - 1)
    assert changed.price == low - 1
    assert client.orders.cancel(changed.id).status == "canceled"
    assert changed.id not in [row.id for row in client.orders.list()]


def test_lists_go_on_over_their_pages(client: Client, low: Decimal) -> None:
    since = datetime.now(timezone.utc)
    placed = [client.orders.create(*LIMIT, price=low + n).id for n in range(5)]
    listed = client.orders.list("all", since=since, page_size=2)
    assert [order.id for order in listed] == placed[::-1]
    client.orders.create("BTC/USDT", "buy", "market", "0.001")
    client.orders.create("BTC/USDT", "sell", "market", Decimal("0.001"))
    wait_until(lambda: len(list(client.trades(since=since, page_size=1))) == 2)
    assert [trade.side for trade in client.trades(since=since)] == ["sell", "buy"]
    outcomes = client.orders.cancel_all(symbol="BTC/USDT", side="buy")
    assert {outcome["id"] for outcome in outcomes} == set(placed)


def test_a_key_buys_once(client: Client, low: Decimal) -> None:
    first = client.orders.create(*LIMIT, price=low, idempotency_key="python-1")
    again = client.orders.create(*LIMIT, price=low, idempotency_key="python-1")
    assert again.id == first.id
    with pytest.raises(Conflict) as caught:
        client.orders.create(*LIMIT, price=low + 1, idempotency_key="python-1")
    assert caught.value.type == "duplicate_order"
    client.orders.cancel(first.id)


def test_errors_say_what_the_server_said(client: Client, server: RestartableServer) -> None:
    with pytest.raises(Refused) as refused:
        client.orders.create("BTC/USDT", "buy", "market", "1000")
    assert (refused.value.status, refused.value.type) == (422, "insufficient_funds")
    assert refused.value.request_id
    with pytest.raises(InvalidRequest) as invalid:
        client.orders.create("BTC/USDT", "buy", "limit", "1")
    assert "price" in invalid.value.fields
    with pytest.raises(NotFound):
        client.orders.get("a/../b?c#d")
    with pytest.raises(TypeError):
        client.orders.create("BTC/USDT", "buy", "market", 0.1)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        next(iter(client.stream(["nonsense"])))
    with (
        Client(server.server.url, username="admin", password="wrong password") as stranger,
        pytest.raises(AuthenticationFailed),
    ):
        stranger.portfolio()
    with (
        Client(f"http://127.0.0.1:{free_port()}", api_key="x") as nobody,
        pytest.raises(ConnectionFailed),
    ):
        nobody.orders.cancel("x")


def test_a_session_that_was_ended_begins_anew(server: RestartableServer) -> None:
    with Client(server.server.url) as client:
        assert client.login("admin", PASSWORD).role == "admin"
        client.logout()
        with pytest.raises(ConnectionFailed, match="nobody is logged in"):
            client.portfolio()
        client.login("admin", PASSWORD)
        assert client.portfolio().reference_market == "USDT"


def test_a_stream_outlives_its_tokens(client: Client, low: Decimal) -> None:
    begun = datetime.now(timezone.utc)
    follower = Follower(client, "bot", "orders")
    wait_until(lambda: len(follower.seen) == 2)
    # each token is good for two seconds
    wait_until(lambda: (datetime.now(timezone.utc) - begun).total_seconds() > 4)
    order = client.orders.create(*LIMIT, price=low)
    wait_until(lambda: order.id in follower.mirror.orders)
    client.orders.cancel(order.id)
    wait_until(lambda: not follower.mirror.orders)
    assert follower.error is None
    assert follower.names()[:2] == ["snapshot", "snapshot"]
    assert "reset" not in follower.names()


def test_a_kill_in_the_middle_loses_and_repeats_nothing(
    server: RestartableServer, client: Client, low: Decimal
) -> None:
    follower = Follower(client, "orders", "trades")
    wait_until(lambda: follower.last_id is not None)
    began = follower.last_id
    before = client.orders.create(*LIMIT, price=low)
    client.orders.create("BTC/USDT", "buy", "market", "0.001")
    wait_until(lambda: "trade" in follower.names())
    server.stop(signal.SIGKILL)
    server.start()
    client.orders.cancel(before.id)
    after = client.orders.create(*LIMIT, price=low - 1)
    wait_until(lambda: after.id in follower.mirror.orders, 40)
    client.orders.cancel(after.id)
    wait_until(lambda: not follower.mirror.orders)
    told = [(event.name, event.data) for event in follower.seen if event.name != "snapshot"]
    happened = [(event.name, event.data) for event in client.events(began, ["orders", "trades"])]
    assert told == happened
    assert follower.error is None
    held = {order.id for order in client.orders.list()}
    assert set(follower.mirror.orders) == held


def test_who_comes_back_later_goes_on_from_there(client: Client, low: Decimal) -> None:
    stream = client.stream(["orders"])
    assert next(iter(stream)).name == "snapshot"
    order = client.orders.create(*LIMIT, price=low)
    client.orders.cancel(order.id)
    missed = iter(client.stream(["orders"], last_id=stream.last_id))
    assert [next(missed).name for _ in range(2)] == ["order_created", "order_canceled"]


def test_the_readme_is_true(server: RestartableServer, capsys: pytest.CaptureFixture[str]) -> None:
    [code] = code_blocks("clients/python/README.md", "python", server.server)
    upto_the_stream, _, rest = code.partition("mirror = Mirror()")
    assert "client.stream(" in rest
    names: dict[str, Any] = {}
    exec(compile(upto_the_stream, "README.md", "exec"), names)
    names["client"].close()
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("worth ")
    assert [line for line in said if line.startswith("order ")]
    assert not [line for line in said if line.startswith("refused")]


def test_an_answer_that_is_no_problem_is_an_error_all_the_same(server: RestartableServer) -> None:
    with Client(server.server.url + "/nowhere", api_key="x") as lost, pytest.raises(ApiError):
        lost.portfolio()
    assert (ROOT / "clients" / "python" / "octobot_client" / "py.typed").exists()
