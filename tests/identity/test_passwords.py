"""Password hashing: correct, expensive, bounded, and off the hub."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import gevent
import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given, settings, strategies

from backend.concurrency.gevent_host import GeventHost
from backend.concurrency.host import ThreadHost
from backend.errors import RateLimited
from backend.identity.passwords import MAX_WAITING, Passwords

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(ThreadHost())
    yield passwords
    passwords.close()


def test_a_hash_fits_its_password_only(passwords: Passwords) -> None:
    known = passwords.hash(PASSWORD)
    assert passwords.verify(known, PASSWORD) is True
    assert passwords.verify(known, PASSWORD + " ") is False
    assert PASSWORD not in known


def test_the_cost_is_as_owasp_wants_it(passwords: Passwords) -> None:
    found = extract_parameters(passwords.hash(PASSWORD))
    assert (found.type.name, found.time_cost, found.memory_cost, found.parallelism) == (
        "ID",
        2,
        19 * 1024,
        1,
    )


def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert passwords.hash(PASSWORD) != passwords.hash(PASSWORD)


def test_no_password_fits_a_missing_or_damaged_hash(passwords: Passwords) -> None:
    assert passwords.verify(None, PASSWORD) is False
    assert passwords.verify("not a hash", PASSWORD) is False


def test_a_missing_hash_takes_as_much_work_as_a_wrong_password(passwords: Passwords) -> None:
    known = passwords.hash(PASSWORD)

    def work(hashed: str | None) -> float:
        started = time.process_time()
        passwords.verify(hashed, "wrong")
        return time.process_time() - started

    pairs = [(work(None), work(known)) for _ in range(10)]
    without, wrong = (min(times) for times in zip(*pairs, strict=True))
    assert 0.4 < without / wrong < 2.5


def test_one_password_typed_on_two_keyboards_is_one(passwords: Passwords) -> None:
    composed, decomposed = "pässwörd-ñ", "pa\u0308sswo\u0308rd-n\u0303"
    assert passwords.verify(passwords.hash(composed), decomposed) is True


@given(text=strategies.text(strategies.characters(), min_size=1, max_size=256))
@settings(max_examples=20, deadline=None)
def test_any_text_is_a_password(passwords: Passwords, text: str) -> None:
    assert passwords.verify(passwords.hash(text), text) is True


def test_a_hash_of_other_parameters_is_outdated(passwords: Passwords) -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    assert passwords.needs_rehash(weaker) is True
    assert passwords.needs_rehash(passwords.hash(PASSWORD)) is False


def test_a_flood_is_refused_and_leaves_nothing_behind() -> None:
    passwords = Passwords(ThreadHost())
    flood = 2 * MAX_WAITING
    barrier = threading.Barrier(flood)
    full = threading.Event()
    answers: list[bool | int | None] = []

    def guess() -> None:
        barrier.wait()
        while not full.is_set():
            try:
                answers.append(passwords.verify(None, "guess"))
            except RateLimited as error:
                answers.append(error.retry_after_s)
                full.set()

    threads = [threading.Thread(target=guess) for _ in range(flood)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hashing = {thread.name for thread in threading.enumerate() if "passwords" in thread.name}
    assert answers.count(1) > 0
    assert answers.count(False) >= MAX_WAITING
    assert len(hashing) <= 2
    assert passwords.verify(passwords.hash(PASSWORD), PASSWORD) is True
    passwords.close()


def test_the_hub_goes_on_while_passwords_are_hashed() -> None:
    host = GeventHost()
    passwords = Passwords(host)
    known = passwords.hash(PASSWORD)

    def turns_during_a_login() -> int:
        login = gevent.spawn(passwords.verify, known, PASSWORD)
        turns = 0
        while not login.ready():
            gevent.sleep(0.001)
            turns += 1
        assert login.get() is True
        return turns

    assert any(turns_during_a_login() > 3 for _ in range(20))  # one, if it stood still
    passwords.close()
    host.close()


@pytest.mark.skipif(sys.platform != "linux", reason="goes by /proc")
def test_without_memory_a_password_is_not_taken_for_wrong() -> None:
    """In a process of its own, whose memory is bounded after a hash was made."""
    script = """
import resource
from argon2 import PasswordHasher
from backend.concurrency.host import ThreadHost
from backend.errors import HashingUnavailable
from backend.identity.passwords import Passwords

known = PasswordHasher(time_cost=1, memory_cost=256 * 1024, parallelism=1)
hashed = known.hash("correct horse battery staple")
passwords = Passwords(ThreadHost())
assert passwords.verify(hashed, "correct horse battery staple")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20,) * 2)
try:
    print(passwords.verify(hashed, "correct horse battery staple"))
except HashingUnavailable as error:
    print(error.status, error.type)
passwords.close()
"""
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.stdout.splitlines()[-1] == "503 hashing_unavailable", finished.stderr
