"""Coroutines submitted to a loop from other threads: bounded, fair, never left behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator

import pytest

from backend.bridge.runtime.work_queue import LoopEnded, WorkQueue
from backend.errors import BotBusy

WAIT_S = 60


class Loop:
    """A loop in a thread of its own, which can be held."""

    def __init__(self, capacity: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.queue = WorkQueue(self.loop, capacity)
        self.passes = threading.Event()
        self.passes.set()
        self.seen: list[str] = []
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def hold(self) -> None:
        """Let nothing run until `passes` is set."""
        held = threading.Event()
        self.passes.clear()
        self.loop.call_soon_threadsafe(lambda: (held.set(), self.passes.wait(WAIT_S)))
        assert held.wait(WAIT_S)

    def submit(self, caller: str, name: str = "") -> concurrent.futures.Future[None]:
        return self.queue.submit(self.note(name or caller), caller)

    async def note(self, name: str) -> None:
        """Do next to nothing."""
        self.seen.append(name)

    def submit_endless(self, caller: str) -> concurrent.futures.Future[None]:
        return self.queue.submit(self._wait_forever(), caller)

    async def _wait_forever(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.seen.append("ended")

    def end(self) -> None:
        self.passes.set()
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(WAIT_S)
            self.loop.close()
            self.queue.abandon()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(capacity=30)
    yield loop
    loop.end()


def test_one_caller_gets_half_of_the_capacity_and_the_next_a_third(loop: Loop) -> None:
    loop.hold()
    for caller, count in (("ann", 15), ("bob", 8)):
        for _ in range(count):
            loop.submit(caller)
        with pytest.raises(BotBusy):
            loop.submit(caller)
    loop.submit("eve")
    assert len(loop.queue) == 24


def test_urgent_work_passes_the_bound(loop: Loop) -> None:
    loop.hold()
    for number in range(30):
        loop.submit(f"user {number}")
    with pytest.raises(BotBusy):
        loop.submit("another")
    stopped = loop.queue.submit(loop.note("stop"), "another", urgent=True)
    loop.passes.set()
    assert stopped.result(WAIT_S) is None


def test_capacity_is_freed_as_work_is_done(loop: Loop) -> None:
    loop.hold()
    futures = [loop.submit("ann") for _ in range(15)]
    loop.passes.set()
    concurrent.futures.wait(futures, WAIT_S)
    assert len(loop.queue) == 0
    loop.queue.reserve("ann").release()


def test_a_reserved_slot_counts_until_it_is_released(loop: Loop) -> None:
    slots = [loop.queue.reserve("ann") for _ in range(15)]
    with pytest.raises(BotBusy):
        loop.submit("ann")
    slots.pop().release()
    loop.submit("ann").result(WAIT_S)
    for slot in slots:
        slot.release()
    assert len(loop.queue) == 0


def test_releasing_a_slot_with_submitted_work_does_nothing(loop: Loop) -> None:
    loop.hold()
    slot = loop.queue.reserve("ann")
    slot.submit(loop.note("ann"))
    slot.release()
    loop.passes.set()
    assert slot.future.result(WAIT_S) is None
    assert loop.seen == ["ann"]


def test_a_slot_of_a_loop_that_has_ended_takes_no_work(loop: Loop) -> None:
    slot = loop.queue.reserve("ann")
    loop.end()
    with pytest.raises(LoopEnded):
        slot.submit(loop.note("ann"))
    assert slot.future.cancelled()
    assert len(loop.queue) == 0


def test_callers_take_turns(loop: Loop) -> None:
    loop.hold()
    futures = [loop.submit("ann", f"ann {number}") for number in range(5)]
    futures += [loop.submit("bob", f"bob {number}") for number in range(2)]
    loop.passes.set()
    concurrent.futures.wait(futures, WAIT_S)
    assert loop.seen == ["ann 0", "bob 0", "ann 1", "bob 1", "ann 2", "ann 3", "ann 4"]


def test_the_bots_own_work_comes_in_between(loop: Loop) -> None:
    def own_work() -> None:
        loop.seen.append("own")
        loop.loop.call_soon(own_work)

    loop.hold()
    loop.loop.call_soon_threadsafe(own_work)
    futures = [loop.submit(f"user {number}", "x") for number in range(30) if number < 28]
    loop.passes.set()
    concurrent.futures.wait(futures, WAIT_S)
    runs = [len(run) for run in "".join(name[0] for name in loop.seen).split("o")]
    assert max(runs) == 1


def test_work_whose_caller_gave_up_is_ended(loop: Loop) -> None:
    begun = loop.submit_endless("ann")
    loop.submit("ann", "after").result(WAIT_S)
    assert begun.cancel()
    loop.submit("ann", "later").result(WAIT_S)
    assert loop.seen == ["after", "ended", "later"]
    assert len(loop.queue) == 0


def test_work_whose_caller_gave_up_before_is_not_begun(loop: Loop) -> None:
    loop.hold()
    given_up, other = loop.submit("ann", "given up"), loop.submit("ann", "other")
    assert given_up.cancel()
    loop.passes.set()
    other.result(WAIT_S)
    assert loop.seen == ["other"]


def test_errors_come_back_to_the_caller(loop: Loop) -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        loop.queue.submit(fail()).result(WAIT_S)


@pytest.mark.filterwarnings("ignore:coroutine method")
def test_nobody_waits_for_a_loop_that_has_ended(loop: Loop) -> None:
    waits = loop.submit_endless("ann")
    loop.submit("ann").result(WAIT_S)
    loop.end()
    assert waits.cancelled()
    with pytest.raises(LoopEnded):
        loop.submit("ann")
