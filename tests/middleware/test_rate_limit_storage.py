"""Windows of one process: they begin with a first count, and end by a clock of their own."""

from __future__ import annotations

import threading

import pytest
import time_machine
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from backend.middleware.rate_limit_storage import MOST_WINDOWS, MonotonicStorage

START = 1_800_000_000.0
HOUR_S = 3600.0


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_begins_with_the_first_count_and_ends_in_time() -> None:
    clock = Clock()
    storage = MonotonicStorage(clock=clock)
    with time_machine.travel(START, tick=False):
        assert [storage.incr("a", 60) for _ in range(3)] == [1, 2, 3]
        assert (storage.get("a"), storage.get_expiry("a")) == (3, START + 60)
        clock.now += 59.5
        assert (storage.incr("a", 60), storage.get_expiry("a")) == (4, START + 0.5)
        clock.now += 0.5
        assert storage.get("a") == 0
        assert (storage.incr("a", 60), storage.get_expiry("a")) == (1, START + 60)


@pytest.mark.parametrize("jump_s", [5 * HOUR_S, -5 * HOUR_S])
def test_a_wall_clock_that_jumps_neither_ends_nor_prolongs_a_window(jump_s: float) -> None:
    clock = Clock()
    storage = MonotonicStorage(clock=clock)
    with time_machine.travel(START, tick=False) as wall_clock:
        storage.incr("a", 60, amount=3)
        wall_clock.shift(jump_s)
        assert (storage.incr("a", 60), storage.get("a")) == (4, 4)
        assert storage.get_expiry("a") == START + jump_s + 60
        clock.now += 60
        assert storage.incr("a", 60) == 1


def test_it_serves_the_strategies_of_limits_under_its_scheme() -> None:
    storage = storage_from_string("monotonic://")
    assert isinstance(storage, MonotonicStorage)
    strategy, rate = FixedWindowRateLimiter(storage), parse("2/minute")
    assert [strategy.hit(rate, "a") for _ in range(3)] == [True, True, False]
    assert strategy.get_window_stats(rate, "a").remaining == 0
    assert storage.check()
    strategy.clear(rate, "a")
    assert strategy.test(rate, "a", cost=2)


def test_keys_do_not_share_a_window() -> None:
    storage = MonotonicStorage()
    assert [storage.incr(key, 60) for key in ("a", "b", "a")] == [1, 1, 2]


def test_many_threads_lose_no_count() -> None:
    storage = MonotonicStorage()
    threads = [
        threading.Thread(target=lambda: [storage.incr("a", 60) for _ in range(2000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.incr("a", 60) == 16_001


def test_windows_that_ended_are_forgotten_and_others_are_not() -> None:
    clock = Clock()
    storage = MonotonicStorage(clock=clock)
    storage.incr("long", 10_000)
    for number in range(MOST_WINDOWS - 1):
        storage.incr(f"short-{number}", 60)
    clock.now += 61
    storage.incr("another", 60)
    assert storage.incr("long", 10_000) == 2
    assert storage.reset() == 2
    assert storage.get("long") == 0
