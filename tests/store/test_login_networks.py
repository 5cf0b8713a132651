"""Networks that users have logged in from."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from backend.store import Database, login_networks, users
from backend.store.login_networks import LIFETIME, MOST_PER_USER
from backend.store.users import NewUser

NOW = datetime(2026, 1, 20, 10, 0, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def user_id(database: Database) -> str:
    return database.write(users.insert, NewUser("bob", "hash", "trader", NOW)).id


def test_a_network_is_known_to_its_user_only_and_for_a_time(
    database: Database, user_id: str
) -> None:
    database.write(users.insert, NewUser("eve", "hash", "trader", NOW))
    database.write(login_networks.record, user_id, "192.0.2.1", NOW)
    assert database.read(login_networks.is_known, "bob", "192.0.2.1", NOW + LIFETIME - MINUTE)
    assert not database.read(login_networks.is_known, "bob", "192.0.2.1", NOW + LIFETIME)
    assert not database.read(login_networks.is_known, "eve", "192.0.2.1", NOW)


def test_another_login_prolongs(database: Database, user_id: str) -> None:
    for at in (NOW, NOW + LIFETIME - MINUTE):
        database.write(login_networks.record, user_id, "192.0.2.1", at)
    database.write(login_networks.delete_expired, NOW + LIFETIME)
    assert database.read(login_networks.is_known, "bob", "192.0.2.1", NOW + LIFETIME)


def test_the_last_networks_are_kept(database: Database, user_id: str) -> None:
    for number in range(MOST_PER_USER + 2):
        at = NOW + number * MINUTE
        database.write(login_networks.record, user_id, f"192.0.2.{number}", at)
    known = [
        number
        for number in range(MOST_PER_USER + 2)
        if database.read(login_networks.is_known, "bob", f"192.0.2.{number}", NOW)
    ]
    assert known == list(range(2, MOST_PER_USER + 2))
