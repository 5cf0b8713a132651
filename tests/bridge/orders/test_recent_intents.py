"""What is remembered of the intents that were answered: the newest, each for a day."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from backend.bridge.orders.recent_intents import MOST_KEPT, RecentIntents
from backend.ports.journal import KEY_LIFETIME, Intent

NOW = datetime(2026, 1, 20, 10, tzinfo=timezone.utc)


def intent(number: int, *keys: str, user_id: str = "bob", at: datetime = NOW) -> Intent:
    return Intent(f"o{number}", user_id, keys, "f" * 64, {}, "sandbox:paper", at)


def test_an_intent_is_found_by_each_of_its_keys_and_by_its_user_alone() -> None:
    answered, first = RecentIntents(), intent(1, "client:c", "header:k")
    answered.add(first)
    assert answered.find(intent(2, "header:k")) == first
    assert answered.find(intent(3, "header:z", "client:c")) == first
    assert answered.find(intent(4, "header:k", user_id="eve")) is None
    assert answered.find(intent(5, "header:z")) is None
    assert answered.find(intent(6)) is None


def test_an_intent_is_found_for_a_day_and_not_longer() -> None:
    answered, first = RecentIntents(), intent(1, "header:k")
    answered.add(first)
    assert answered.find(intent(2, "header:k", at=NOW + KEY_LIFETIME)) == first
    later = NOW + KEY_LIFETIME + timedelta(microseconds=1)
    assert answered.find(intent(3, "header:k", at=later)) is None


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    answered = RecentIntents()
    for number in range(MOST_KEPT + 1):
        answered.add(intent(number, f"header:{number}"))
    assert answered.find(intent(0, "header:0")) is None
    newest = intent(MOST_KEPT, f"header:{MOST_KEPT}")
    assert answered.find(newest) == newest
