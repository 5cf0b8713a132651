"""Intents: of several with one key, one is inserted."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from backend.ports.journal import Batch, Intent
from backend.store import Database, Journal
from tests.store.journal.samples import ACCOUNT, NOW, OTHER, intent

DAY = timedelta(hours=24)
MOMENT = timedelta(microseconds=1)
REFUSAL = {"status": 422, "type": "insufficient_funds", "details": None, "fields": []}


def stored_intents(database: Database) -> int:
    with database.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM order_intents").scalar_one()


def taken_by(journal: Journal, another: Intent) -> Intent:
    (earlier,) = journal.insert_intents(another)
    assert earlier is not None
    return earlier


def test_an_intent_is_open_until_its_outcome_is_known(journal: Journal) -> None:
    first, second, third = intent(1, "client:a", "header:b"), intent(2), intent(3)
    elsewhere = intent(4, account=OTHER)
    for each in (third, second, first, elsewhere):
        journal.insert_intents(replace(each, created_at=NOW + MOMENT * int(each.order_id[1])))
    assert [found.order_id for found in journal.open_intents(ACCOUNT)] == ["o1", "o2", "o3"]
    assert journal.open_intents(ACCOUNT)[0] == replace(first, created_at=NOW + MOMENT)
    assert [found.order_id for found in journal.open_intents(OTHER)] == ["o4"]
    journal.mark_refused("o1", REFUSAL)
    journal.record(Batch(accepted=["o2"], lost=["o3"]))
    assert journal.open_intents(ACCOUNT) == []


@pytest.mark.parametrize("keys", [("header:k",), ("client:c",), ("client:c", "header:k")])
def test_a_key_is_taken_by_its_first_intent(journal: Journal, keys: tuple[str, ...]) -> None:
    first = intent(1, "client:c", "header:k")
    journal.insert_intents(first)
    assert taken_by(journal, intent(2, *keys)) == first
    assert journal.open_intents(ACCOUNT) == [first]


def test_a_refused_intent_takes_none_of_its_keys(journal: Journal) -> None:
    journal.insert_intents(intent(1, "client:z"))
    taken_by(journal, intent(2, "client:a", "client:z", "header:a"))
    journal.insert_intents(intent(3, "client:a", "header:a"))
    assert [found.order_id for found in journal.open_intents(ACCOUNT)] == ["o1", "o3"]


def test_keys_are_each_users_own(journal: Journal) -> None:
    journal.insert_intents(intent(1, "header:k"))
    journal.insert_intents(intent(2, "header:k", user_id="eve"))
    assert taken_by(journal, intent(3, "header:k", user_id="eve")).order_id == "o2"


def test_of_intents_that_are_written_together_each_has_its_own_outcome(journal: Journal) -> None:
    first = intent(1, "header:k")
    journal.insert_intents(first)
    second, third = intent(2, "client:c"), intent(3, "client:c", "header:z")
    outcomes = journal.insert_intents(second, intent(4, "header:k"), third, intent(5, "header:z"))
    assert outcomes == [None, first, second, None]
    found = [found.order_id for found in journal.open_intents(ACCOUNT)]
    assert found == ["o1", "o2", "o5"]


def test_intents_without_a_key_never_clash(journal: Journal) -> None:
    journal.insert_intents(intent(1))
    journal.insert_intents(intent(2))
    assert len(journal.open_intents(ACCOUNT)) == 2


def test_a_key_lasts_for_24_hours_and_not_longer(journal: Journal) -> None:
    journal.insert_intents(intent(1, "header:k"))
    assert taken_by(journal, intent(2, "header:k", created_at=NOW + DAY)).order_id == "o1"
    later = intent(3, "header:k", created_at=NOW + DAY + MOMENT)
    journal.insert_intents(later)
    assert taken_by(journal, intent(4, "header:k", created_at=NOW + DAY + DAY)) == later


@pytest.mark.parametrize(
    ("outcome", "state", "answer"),
    [
        (Batch(accepted=["o1"]), "accepted", None),
        (Batch(lost=["o1"]), "lost", None),
        (None, "refused", REFUSAL),
    ],
)
def test_whoever_comes_later_learns_the_outcome(
    journal: Journal, outcome: Batch | None, state: str, answer: dict[str, object] | None
) -> None:
    first = intent(1, "header:k")
    journal.insert_intents(first)
    if outcome is None:
        journal.mark_refused("o1", REFUSAL)
    else:
        journal.record(outcome)
    earlier = taken_by(journal, intent(2, "header:k"))
    assert earlier == replace(first, state=state, answer=answer)


def test_an_order_that_came_to_be_stays_accepted(journal: Journal) -> None:
    journal.insert_intents(intent(1, "header:k"))
    journal.record(Batch(lost=["o1"]))
    journal.record(Batch(accepted=["o1"], lost=["o1"]))
    journal.mark_refused("o1", REFUSAL)
    journal.record(Batch(lost=["o1"]))
    earlier = taken_by(journal, intent(2, "header:k"))
    assert (earlier.state, earlier.answer) == ("accepted", None)


def test_a_withdrawn_intent_gives_its_keys_back(journal: Journal) -> None:
    journal.insert_intents(intent(1, "client:c", "header:k"))
    journal.delete_intent("o1")
    assert journal.open_intents(ACCOUNT) == []
    journal.insert_intents(intent(2, "header:k"))
    assert taken_by(journal, intent(3, "header:k")).order_id == "o2"


def test_withdrawing_an_old_intent_leaves_a_key_that_another_took_over(journal: Journal) -> None:
    journal.insert_intents(intent(1, "header:k"))
    journal.insert_intents(intent(2, "header:k", created_at=NOW + 2 * DAY))
    journal.delete_intent("o1")
    assert taken_by(journal, intent(3, "header:k", created_at=NOW + 2 * DAY)).order_id == "o2"


def test_an_intent_is_known_after_a_restart(journal: Journal, database: Database) -> None:
    journal.insert_intents(intent(1, "header:k"))
    journal.close()
    second = Journal(database)
    assert taken_by(second, intent(2, "header:k")) == intent(1, "header:k")
    second.close()


@pytest.mark.parametrize("attempt", range(5))
@pytest.mark.parametrize("own_journals", [False, True])
def test_of_many_who_race_for_a_key_exactly_one_wins(
    database: Database, own_journals: bool, attempt: int
) -> None:
    count = 8
    barrier = threading.Barrier(count)
    shared = Journal(database)
    winners: list[str] = []
    earlier: list[str] = []

    def race(number: int) -> None:
        journal = Journal(database) if own_journals else shared
        keys = ["header:k", "client:c"][:: 1 if number % 2 else -1]
        barrier.wait()
        (holder,) = journal.insert_intents(intent(number, *keys))
        if holder is None:
            winners.append(f"o{number}")
        else:
            earlier.append(holder.order_id)
        if own_journals:
            journal.close()

    threads = [threading.Thread(target=race, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert earlier == winners * (count - 1)
    assert [found.order_id for found in shared.open_intents(ACCOUNT)] == winners
    shared.close()


def test_old_intents_are_forgotten_little_by_little_but_never_open_ones(
    journal: Journal, database: Database
) -> None:
    for number in range(200):
        journal.insert_intents(intent(number, f"header:{number}"))
    journal.record(Batch(accepted=[f"o{number}" for number in range(1, 200)]))
    for number in range(200, 400):
        journal.insert_intents(intent(number, created_at=NOW + DAY))
    assert stored_intents(database) == 400
    for number in range(400, 600):
        journal.insert_intents(intent(number, created_at=NOW + DAY + MOMENT))
    assert stored_intents(database) == 401
    assert journal.open_intents(ACCOUNT)[0] == intent(0, "header:0")
    with database.engine.connect() as connection:
        keys = connection.exec_driver_sql("SELECT key FROM order_intent_keys").scalars().all()
    assert keys == ["header:0"]
