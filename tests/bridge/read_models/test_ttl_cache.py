"""Answers that are asked for anew when they are old."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from backend.bridge.read_models.ttl_cache import MAX_ENTRIES, TtlCache
from tests.bridge.live_bridge import content

WAIT_S = 60


def counted() -> Callable[[], bytes]:
    numbers = iter(range(1000))
    return lambda: b"%d" % next(numbers)


def test_an_answer_is_handed_out_again_while_it_is_fresh() -> None:
    recent, ask = TtlCache(fresh_s=60), counted()
    first = recent.get("a", ask)
    assert recent.get("a", ask) is first
    assert content(recent.get("b", ask)) == 1


def test_an_old_answer_is_asked_for_anew() -> None:
    recent, ask = TtlCache(fresh_s=0), counted()
    assert [content(recent.get("a", ask)) for _ in range(3)] == [0, 1, 2]


def test_what_stayed_the_same_keeps_its_etag() -> None:
    recent = TtlCache(fresh_s=0)
    first = recent.get("a", lambda: b"1")
    assert recent.get("a", lambda: b"1") is first
    assert recent.get("a", lambda: b"2").etag != first.etag
    assert TtlCache(fresh_s=0).get("a", lambda: b"1").etag == first.etag


def test_one_asks_anew_and_the_others_get_the_old_answer_meanwhile() -> None:
    recent, asked, answered = TtlCache(fresh_s=0), threading.Event(), threading.Event()
    recent.get("a", lambda: b"0")

    def ask() -> bytes:
        asked.set()
        answered.wait(WAIT_S)
        return b"1"

    asker = threading.Thread(target=recent.get, args=("a", ask))
    asker.start()
    assert asked.wait(WAIT_S)
    assert content(recent.get("a", lambda: b"2")) == 0
    answered.set()
    asker.join(WAIT_S)
    assert content(recent.get("a", lambda: b"3")) == 3


def test_an_error_ends_the_old_answer() -> None:
    recent = TtlCache(fresh_s=0)
    recent.get("a", lambda: b"0")

    def fail() -> bytes:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            recent.get("a", fail)


def test_an_answer_that_was_under_way_when_all_was_forgotten_is_not_kept() -> None:
    recent = TtlCache(fresh_s=60)

    def ask() -> bytes:
        recent.clear()
        return b"0"

    assert content(recent.get("a", ask)) == 0
    assert content(recent.get("a", lambda: b"1")) == 1


def test_only_so_many_answers_are_kept() -> None:
    recent = TtlCache(fresh_s=60)
    for number in range(MAX_ENTRIES + 1):
        recent.get(number, lambda: b"0")
    assert content(recent.get(0, lambda: b"1")) == 1
