"""The threads that share the interpreter share a core, and the others do not."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backend.concurrency.cpu_affinity import SingleCoreAffinity, unpin_current_thread
from tests.backend_process import Backend, running
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="this machine has no two cores to choose from",
)


def cores_in_a_thread(work: Callable[[], None]) -> set[int]:
    """Return the cores that a new thread may use when it has done its work."""
    found: list[set[int]] = []

    def look() -> None:
        work()
        found.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def test_threads_begin_on_the_shared_core_unless_they_run_anywhere() -> None:
    before = os.sched_getaffinity(0)
    with closing(SingleCoreAffinity()):
        assert wait_until(lambda: len(os.sched_getaffinity(0)) == 1)
        # for a moment, now and then, all may move
        assert wait_until(lambda: cores_in_a_thread(lambda: None) == os.sched_getaffinity(0))
        assert wait_until(lambda: len(cores_in_a_thread(lambda: None)) == 1)
        assert cores_in_a_thread(unpin_current_thread) == before
    assert os.sched_getaffinity(0) == before
    assert cores_in_a_thread(unpin_current_thread) == before


def test_it_keeps_to_the_cores_that_the_process_was_given() -> None:
    before = os.sched_getaffinity(0)
    given = set(sorted(before)[:2])
    os.sched_setaffinity(0, given)
    try:
        with closing(SingleCoreAffinity()):
            assert wait_until(lambda: os.sched_getaffinity(0) < given)
            assert cores_in_a_thread(unpin_current_thread) == given
        assert os.sched_getaffinity(0) == given
    finally:
        os.sched_setaffinity(0, before)


def cores_of_threads(backend: Backend) -> dict[int, set[int]]:
    """Return the cores that each thread of a server may use; its main thread comes first."""
    pid = backend.process.pid
    tasks = sorted(int(task) for task in os.listdir(Path(f"/proc/{pid}/task")))
    cores = {}
    for task in tasks:
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            cores[task] = os.sched_getaffinity(task)
    return cores


def test_a_server_and_its_bot_share_a_core_but_for_hashing_and_streams(tmp_path: Path) -> None:
    everywhere = os.sched_getaffinity(0)
    with running(tmp_path) as backend:
        backend.ready()
        assert backend.ask("GET", "/bot").status_code == 200  # a password was hashed before

        def bound_and_free() -> tuple[int, int]:
            cores = list(cores_of_threads(backend).values())
            shared = cores[0]
            bound = sum(of_one == shared for of_one in cores if len(shared) == 1)
            return bound, sum(of_one == everywhere for of_one in cores)

        def is_shared() -> bool:
            bound, free = bound_and_free()
            return bound >= 4 and free >= 2

        assert wait_until(is_shared), bound_and_free()
        assert backend.stop() == 0


def test_a_server_uses_every_core_where_it_is_told_to(tmp_path: Path) -> None:
    everywhere = os.sched_getaffinity(0)
    with running(tmp_path, share_core=False) as backend:
        backend.wait_until("/healthz", 200)
        assert all(cores == everywhere for cores in cores_of_threads(backend).values())
