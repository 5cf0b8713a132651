"""Requests that race each other for real money, at an exchange that fails now and then.

Each caller is told what became of its request, or that nobody knows yet; and in the
end our orders, trades and balances are the exchange's own.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal as D
from itertools import cycle
from typing import Any, NamedTuple

import pytest

from backend.errors import ApiError
from backend.sandbox.matching.faults import Fault
from backend.schemas.order_commands import CancelQuery, OrderBatch, OrderChange, OrderResult
from backend.schemas.orders import Order
from tests.bridge.live_bridge import BTC, new_order, run_concurrently, wait_until
from tests.recovery.real_trading import RealBridge
from tests.waiting import ENDS_WITHIN_S, shutting_down

pytestmark = pytest.mark.long
AT_ONCE = 6
RACES_WITHIN_S = 0.06
BATCH = 14
UNKNOWN = "order_state_unknown"
REFUSED = {"exchange_refused", "exchange_rate_limited"}


class Weather(NamedTuple):
    """Latency and faults of the exchange during a race."""

    latency_s: float = 0
    fault: Fault | None = None
    times: int | None = None


WEATHERS = (
    Weather(0.005),
    Weather(0, Fault.TIMEOUT_AFTER),
    Weather(0.005, Fault.TIMEOUT_BEFORE, times=3),
    Weather(0.005, Fault.DISCONNECTION, times=2),
    Weather(0, Fault.RATE_LIMIT, times=3),
)
WAITS = [number / AT_ONCE * RACES_WITHIN_S for number in range(AT_ONCE)]


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBridge]:
    with shutting_down(RealBridge(tmp_path_factory.mktemp("home"))) as real:
        real.boot()
        yield real


@pytest.fixture
def real(shared_bridge: RealBridge) -> RealBridge:
    """The shared bot at its usual price, without open orders."""
    shared_bridge.ready()
    shared_bridge.pin(BTC, 40_001)
    shared_bridge.pin(BTC, 40_000)
    shared_bridge.cancel_all()
    return shared_bridge


class Racer:
    """A call that comes a little later, and not before another one has ended, if one is named."""

    def __init__(self, wait_s: float, call: Callable[[], Any]) -> None:
        self._wait_s, self._call = wait_s, call
        self._is_over = threading.Event()
        self.behind: Racer | None = None

    def __call__(self) -> Any:
        time.sleep(self._wait_s)
        if self.behind is not None:
            assert self.behind._is_over.wait(ENDS_WITHIN_S)
        try:
            return self._call()
        finally:
            self._is_over.set()


def race_a_fill(real: RealBridge, calls: list[Callable[[], Any]]) -> list[Racer]:
    """Let the market come to the bids in the middle of the calls.

    The first call is over by then, and the last one comes behind: on a slow machine, too.
    """
    racers = [Racer(wait_s, call) for wait_s, call in zip(WAITS, calls, strict=True)]
    fill = Racer(RACES_WITHIN_S / 2, lambda: real.bridge.sandbox.pin(BTC, D(39_980)))
    fill.behind, racers[-1].behind = racers[0], fill
    return [*racers, fill]


def race_in_pairs(ones: list[Callable[[], Any]], others: list[Callable[[], Any]]) -> list[Racer]:
    """Let pairs of calls race: in the first pair the one is well ahead, in the last the other."""
    racers = [Racer(wait_s, call) for wait_s, call in zip(WAITS, ones, strict=True)]
    rivals = [Racer(RACES_WITHIN_S - w, call) for w, call in zip(WAITS, others, strict=True)]
    rivals[0].behind, racers[-1].behind = racers[0], rivals[-1]
    return [racer for pair in zip(racers, rivals, strict=True) for racer in pair]


def race(
    real: RealBridge, weather: Weather, endpoint: str, calls: list[Callable[[], Any]]
) -> list[Any]:
    """Let the calls race each other in a weather, and return what each was told."""
    faults = real.bridge.sandbox.faults
    faults.latency_s = weather.latency_s
    if weather.fault is not None:
        faults.inject(weather.fault, endpoint, times=weather.times)
    try:
        outcomes = run_concurrently(calls)
    finally:
        faults.clear()
    unforeseen = [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, ApiError)]
    assert unforeseen == []
    return outcomes


def told(outcome: Any) -> str:
    """Name what a caller was told: an error's type, or the order's status."""
    if isinstance(outcome, ApiError):
        return outcome.type
    if isinstance(outcome, OrderResult) and outcome.problem is not None:
        return outcome.problem.type
    return str(getattr(outcome, "order", outcome).status)


def bids(real: RealBridge) -> list[Order]:
    """Place bids under the market, one for each race of a wave."""
    return [real.place(type="limit", quantity="0.1", price="39990") for _ in range(AT_ONCE)]


def settled(real: RealBridge) -> dict[str, tuple[str, D, D]]:
    """Cancel what is open still, wait for the truth, and return the exchange's orders."""
    real.bridge.orders.cancel_many(CancelQuery())
    real.await_whole_truth()
    return real.at_exchange()


def test_a_cancel_that_races_a_fill_ends_in_one_of_the_two(real: RealBridge) -> None:
    answers: list[tuple[Order, str]] = []
    for weather in WEATHERS:
        real.pin(BTC, 40_000)
        orders = bids(real)
        cancels = [lambda id=order.id: real.bridge.orders.cancel(id) for order in orders]
        *outcomes, _ = race(real, weather, "cancel_order", race_a_fill(real, cancels))
        answers += zip(orders, map(told, outcomes), strict=True)
    ends = settled(real)
    for order, answer in answers:
        assert (ends[order.id][0], answer) in {
            ("filled", "filled"),
            ("filled", "order_not_open"),
            ("canceled", "canceled"),
            # what was not canceled may fill
            *(("filled", refused) for refused in (UNKNOWN, *REFUSED)),
        }
    assert {"canceled", "filled"} <= {answer for _, answer in answers}


def test_an_edit_that_races_a_cancel_comes_before_it_or_not_at_all(real: RealBridge) -> None:
    answers: list[tuple[Order, str, str]] = []
    change = OrderChange(quantity=D("0.2"))
    for weather, endpoint in zip(WEATHERS, cycle(["cancel_order", "edit_order"]), strict=False):
        orders = bids(real)
        edits = [lambda id=order.id: real.bridge.orders.change(id, change) for order in orders]
        cancels = [lambda id=order.id: real.bridge.orders.cancel(id) for order in orders]
        outcomes = list(map(told, race(real, weather, endpoint, race_in_pairs(edits, cancels))))
        answers += zip(orders, outcomes[::2], outcomes[1::2], strict=True)
    real.await_whole_truth()
    ends = real.at_exchange()
    early = {"order_not_open", UNKNOWN, *REFUSED}
    for order, edited, canceled in answers:
        status, quantity, filled = ends[order.id]
        assert filled == 0
        assert edited in ({"open", "canceled", UNKNOWN} if quantity == D("0.2") else early)
        assert canceled in ({"canceled"} if status == "canceled" else {UNKNOWN, *REFUSED})
    assert {"open", "order_not_open", UNKNOWN} <= {edited for _, edited, _ in answers}


def test_an_edit_that_races_a_fill_comes_before_it_or_not_at_all(real: RealBridge) -> None:
    answers: list[tuple[Order, str]] = []
    change = OrderChange(quantity=D("0.2"))
    for weather in WEATHERS:
        real.pin(BTC, 40_000)
        orders = bids(real)
        edits = [lambda id=order.id: real.bridge.orders.change(id, change) for order in orders]
        *outcomes, _ = race(real, weather, "edit_order", race_a_fill(real, edits))
        answers += zip(orders, map(told, outcomes), strict=True)
    ends = settled(real)
    early = {"order_not_open", "price_would_take_at_once", UNKNOWN, *REFUSED}
    for order, answer in answers:
        status, quantity, filled = ends[order.id]
        assert (status, filled) == ("filled", quantity)
        assert answer in ({"open", "filled", UNKNOWN} if quantity == D("0.2") else early)
    assert {D("0.1"), D("0.2")} == {ends[order.id][1] for order, _ in answers}


def test_what_is_created_during_cancel_alls_is_canceled_or_open(real: RealBridge) -> None:
    created: list[tuple[str, str]] = []
    canceled: list[OrderResult] = []
    endpoints = [
        f"{command}_order" for command in ("cancel", "create", "cancel", "cancel", "create")
    ]
    for weather, endpoint in zip(WEATHERS, endpoints, strict=True):
        tags = [f"{weather.fault}-{number}" for number in range(2 * AT_ONCE)]
        creates = [
            Racer(
                wait_s,
                lambda tag=tag: real.place(type="limit", quantity="0.01", price="20000", tag=tag),
            )
            for tag, wait_s in zip(tags, WAITS * 2, strict=True)
        ]
        cancels = [
            Racer(wait_s, lambda: real.bridge.orders.cancel_many(CancelQuery()))
            for wait_s in WAITS[::3]
        ]
        outcomes = race(real, weather, endpoint, [*creates, *cancels])
        created += zip(tags, map(told, outcomes), strict=False)
        lists = [found for found in outcomes[len(tags) :] if not isinstance(found, ApiError)]
        canceled += [result for found in lists for result in found]
    real.await_whole_truth()
    at_exchange = real.at_exchange()
    by_tag = Counter(o["tag"] for o in real.every_order() if o["id"] in at_exchange)
    for tag, answer in created:
        assert by_tag[tag] in ([1] if answer == "open" else [0, 1] if answer == UNKNOWN else [0])
    for result in canceled:
        if result.problem is None:
            assert at_exchange.get(result.id, ["rejected"])[0] == told(result)
    assert {told(result) for result in canceled} > {"canceled"}
    assert wait_until(lambda: not [o for o in real.orders() if o["status"] == "unknown"])
    real.cancel_all()
    real.await_whole_truth()
    assert {status for status, *_ in real.at_exchange().values()} <= {"canceled", "filled"}


def batch_of(name: str) -> OrderBatch:
    """Orders that fill at once, and orders that rest."""
    kinds = [{"type": "market"}, {"type": "limit", "price": D(20_000)}]
    orders = [
        new_order(quantity="0.01", tag=f"{name}-{index}", **kinds[index % 2])
        for index in range(BATCH)
    ]
    return OrderBatch(orders=orders)


def placed_by(real: RealBridge, name: str) -> list[list[str]]:
    """Return the orders at the exchange of each entry of a batch."""
    at_exchange = real.at_exchange()
    rows = [row for row in real.every_order() if row["id"] in at_exchange]
    tags = [f"{name}-{index}" for index in range(BATCH)]
    return [[row["id"] for row in rows if row["tag"] == tag] for tag in tags]


def test_a_restart_during_a_batch_leaves_each_order_placed_or_not(real: RealBridge) -> None:
    name, mark = "batch", real.mark()

    def send() -> list[OrderResult]:
        return real.bridge.orders.create_many(batch_of(name), idempotency_key=name)

    def restart() -> None:
        assert wait_until(lambda: "order_filled" in real.sink.names(mark))
        real.bridge.bot.restart()

    weather = Weather(0.05, Fault.TIMEOUT_AFTER, times=2)
    outcomes, _ = race(real, weather, "create_order", [send, restart])
    real.ready()
    real.await_whole_truth()
    for outcome, placed in zip(outcomes, placed_by(real, name), strict=True):
        assert len(placed) in {UNKNOWN: (0, 1), "bot_not_ready": (0,)}.get(told(outcome), (1,))
    assert {told(outcome) for outcome in outcomes} >= {"filled", "bot_not_ready"}

    again = send()
    real.await_whole_truth()
    for result, placed in zip(again, placed_by(real, name), strict=True):
        assert placed == ([] if told(result) == "rejected" else [result.id])
