"""How greenlets wait for other threads: without holding the hub, and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gevent
import pytest

from backend.concurrency.gevent_host import GeventHost


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def on_a_hub(work: Callable[[GeventHost], Any]) -> Any:
    """Run work on a hub of its own, in a thread of its own."""

    def run() -> Any:
        host = GeventHost()
        try:
            return work(host)
        finally:
            host.close()
            gevent.get_hub().destroy(destroy_loop=True)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result(30)


def test_a_wait_returns_what_another_thread_made(threads: ThreadPoolExecutor) -> None:
    def work(host: GeventHost) -> list[int]:
        futures = [threads.submit(lambda n=n: time.sleep(0.01) or n) for n in range(20)]
        waits = [gevent.spawn(host.wait, future, 10) for future in futures]
        return [wait.get() for wait in waits]

    assert on_a_hub(work) == list(range(20))


def test_a_wait_does_not_hold_the_hub() -> None:
    future: Future[str] = Future()

    def work(host: GeventHost) -> str:
        gevent.spawn_later(0.01, threading.Thread(target=future.set_result, args=("done",)).start)
        return host.wait(future, 10)

    assert on_a_hub(work) == "done"


def test_a_wait_raises_what_the_other_thread_raised(threads: ThreadPoolExecutor) -> None:
    def fail() -> None:
        raise LookupError("there")

    with pytest.raises(LookupError, match="there"):
        on_a_hub(lambda host: host.wait(threads.submit(fail), 10))


def test_a_wait_ends_in_time() -> None:
    future: Future[None] = Future()
    with pytest.raises(TimeoutError):
        on_a_hub(lambda host: host.wait(future, 0.02))


def test_other_threads_wait_without_the_hub(threads: ThreadPoolExecutor) -> None:
    def wait_there(host: GeventHost) -> object:
        done: Future[int] = Future()
        there = threads.submit(host.wait, done, 10)
        done.set_result(5)
        assert host.wait(there, 10) == 5
        never: Future[int] = Future()
        return host.wait(threads.submit(host.wait, never, 0.02), 10)

    with pytest.raises(TimeoutError):
        on_a_hub(wait_there)


def test_who_waited_for_another_thread_runs_before_others_that_are_ready() -> None:
    future: Future[None] = Future()

    def work(host: GeventHost) -> list[str]:
        seen: list[str] = []

        def command() -> None:
            host.wait(future, 10)
            seen.append("command")

        def read() -> None:
            while not future.done():
                gevent.sleep(0)
            time.sleep(0.0005)  # the hub looks at other threads after some milliseconds
            seen.append("read")

        waits = [gevent.spawn(command), *(gevent.spawn(read) for _ in range(200))]
        gevent.sleep(0.05)
        gevent.spawn(future.set_result, None)
        gevent.joinall(waits)
        return seen

    assert on_a_hub(work).index("command") < 150


def test_what_is_done_is_returned_at_once() -> None:
    future: Future[int] = Future()
    future.set_result(5)
    assert on_a_hub(lambda host: host.wait(future, 0)) == 5


def test_blocking_work_does_not_hold_the_hub() -> None:
    def work(host: GeventHost) -> bool:
        told = threading.Event()
        gevent.spawn_later(0.01, told.set)
        return host.call_blocking(told.wait, 20)

    assert on_a_hub(work)


def test_blocking_work_raises_here_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise LookupError("there")

    with pytest.raises(LookupError, match="there"):
        on_a_hub(lambda host: host.call_blocking(fail))
    assert capfd.readouterr().err == ""


def test_other_threads_run_blocking_work_themselves(threads: ThreadPoolExecutor) -> None:
    def work(host: GeventHost) -> bool:
        called = threads.submit(lambda: host.call_blocking(threading.get_ident))
        return host.wait(called, 10) != threading.get_ident()

    assert on_a_hub(work)


def test_a_signal_wakes_all_who_wait() -> None:
    def work(host: GeventHost) -> list[bool]:
        signal = host.new_signal()
        waits = [gevent.spawn(signal.wait, 10) for _ in range(5)]
        gevent.sleep(0)
        threading.Thread(target=signal.set).start()
        return [wait.get() for wait in waits]

    assert on_a_hub(work) == [True] * 5


def test_a_signal_that_is_set_lets_pass_until_it_is_cleared() -> None:
    def work(host: GeventHost) -> list[bool]:
        signal = host.new_signal()
        signal.set()
        passed = [signal.wait(0), signal.wait(0)]
        signal.clear()
        return [*passed, signal.wait(0.02)]

    assert on_a_hub(work) == [True, True, False]
