"""The counters of one process: windows that begin with the first request, and do not pile up."""

from __future__ import annotations

import threading

import time_machine

from backend.middleware.rate_limit_storage import MOST_WINDOWS, LocalCounters

START = 1_800_000_000.0


def test_a_window_begins_with_the_first_count_and_ends_in_time() -> None:
    counters = LocalCounters()
    with time_machine.travel(START, tick=False) as clock:
        counted = [counters.count("a", 60) for _ in range(3)]
        assert counted == [(1, START + 60), (2, START + 60), (3, START + 60)]
        clock.shift(59.5)
        assert counters.count("a", 60) == (4, START + 60)
        clock.shift(0.5)
        assert counters.count("a", 60) == (1, START + 120)


def test_keys_do_not_share_a_window() -> None:
    counters = LocalCounters()
    assert [counters.count(key, 60)[0] for key in ("a", "b", "a")] == [1, 1, 2]


def test_many_threads_lose_no_count() -> None:
    counters = LocalCounters()
    threads = [
        threading.Thread(target=lambda: [counters.count("a", 60) for _ in range(2000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.count("a", 60)[0] == 16_001


def test_windows_that_ended_are_forgotten_and_others_are_not() -> None:
    counters = LocalCounters()
    with time_machine.travel(START, tick=False) as clock:
        counters.count("long", 10_000)
        for number in range(MOST_WINDOWS - 1):
            counters.count(f"short-{number}", 60)
        clock.shift(61)
        counters.count("another", 60)
        assert len(counters) == 2
        assert counters.count("long", 10_000)[0] == 2
