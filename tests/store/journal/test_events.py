"""Journalled events: numbered in the order of commits, read by topic, deleted by age."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from backend.ports.journal import Batch, StoredEvent
from backend.schemas.common import utc_now
from backend.store import Database, Journal
from backend.store.journal.events import DELETE_BATCH
from tests.store.journal.samples import event

TOPICS = ["orders", "trades", "positions"]


def keys(events: list[StoredEvent]) -> list[str]:
    return [stored.event.key for stored in events]


def test_there_are_none_at_first(journal: Journal) -> None:
    assert journal.last_event_sequence() == 0
    assert journal.events_after(0, TOPICS, 10) == []


def test_they_come_in_order_from_any_number_on(journal: Journal) -> None:
    journal.record(Batch(events=[event(1), event(2, "trades"), event(3)]))
    journal.record(Batch(events=[event(4)]))
    all_of_them = journal.events_after(0, TOPICS, 10)
    numbers = [stored.sequence for stored in all_of_them]
    assert keys(all_of_them) == ["o1", "o2", "o3", "o4"]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0
    assert journal.last_event_sequence() == numbers[-1]
    assert journal.events_after(numbers[1], TOPICS, 10) == all_of_them[2:]
    assert journal.events_after(numbers[-1], TOPICS, 10) == []


@pytest.mark.parametrize(
    ("topics", "limit", "expected"),
    [
        (["orders"], 10, ["o1", "o3", "o5"]),
        (["trades"], 10, ["o2", "o4"]),
        (["orders", "trades"], 3, ["o1", "o2", "o3"]),
        (["trades", "orders", "trades"], 10, ["o1", "o2", "o3", "o4", "o5"]),
        (["positions"], 10, []),
        ([], 10, []),
    ],
)
def test_they_are_chosen_by_topic(
    journal: Journal, topics: list[str], limit: int, expected: list[str]
) -> None:
    events = [event(number, "orders" if number % 2 else "trades") for number in range(1, 6)]
    journal.record(Batch(events=events))
    assert keys(journal.events_after(0, topics, limit)) == expected


def test_an_event_comes_back_as_it_was(journal: Journal) -> None:
    bare = event(1).__class__("positions", "position_closed", "k", None, b"\x00\xff{}", True)
    journal.record(Batch(events=[event(2), bare]))
    assert [stored.event for stored in journal.events_after(0, TOPICS, 2)] == [event(2), bare]


def test_a_number_is_never_given_out_twice(journal: Journal, database: Database) -> None:
    journal.record(Batch(events=[event(1), event(2)]))
    last = journal.last_event_sequence()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM journal_events")
    journal.record(Batch(events=[event(3)]))
    assert journal.last_event_sequence() > last


def test_old_ones_are_forgotten_but_not_the_newest(journal: Journal) -> None:
    count = DELETE_BATCH + 500
    journal.record(Batch(events=[event(number) for number in range(count)]))
    time.sleep(0.002)
    between = utc_now()
    journal.record(Batch(events=[event(count), event(count + 1)]))
    last = journal.last_event_sequence()
    journal.delete_events_before(between)
    assert keys(journal.events_after(0, TOPICS, 10)) == [f"o{count}", f"o{count + 1}"]
    journal.delete_events_before(utc_now() + timedelta(hours=1))
    assert keys(journal.events_after(0, TOPICS, 10)) == [f"o{count + 1}"]
    assert journal.last_event_sequence() == last


def test_forgetting_nothing_is_fine(journal: Journal) -> None:
    journal.delete_events_before(utc_now())
    journal.record(Batch(events=[event(1), event(2)]))
    journal.delete_events_before(utc_now() - timedelta(hours=1))
    assert keys(journal.events_after(0, TOPICS, 10)) == ["o1", "o2"]


def test_whoever_follows_while_many_write_misses_none(database: Database) -> None:
    writers, batches = 4, 40
    done = threading.Event()
    followed: list[StoredEvent] = []
    reader = Journal(database)

    def write(number: int) -> None:
        journal = Journal(database)
        topic = ["orders", "trades"][number % 2]
        for index in range(batches):
            journal.record(Batch(events=[event(index, topic), event(number, topic)]))
        journal.close()

    def follow() -> None:
        last = 0
        while True:
            is_over = done.is_set()
            found = reader.events_after(last, TOPICS, 7)
            followed.extend(found)
            if found:
                last = found[-1].sequence
            elif is_over:
                return

    threads = [threading.Thread(target=write, args=[number]) for number in range(writers)]
    follower = threading.Thread(target=follow)
    for thread in [*threads, follower]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    follower.join()
    assert len(followed) == writers * batches * 2
    assert followed == reader.events_after(0, TOPICS, 10_000)
    reader.close()
