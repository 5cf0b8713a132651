"""Refresh families: each token has one successor, even in a race."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from backend.store import Database, refresh_tokens, sessions, user_changes, users
from backend.store.models import RefreshFamily, RefreshToken, User
from backend.store.refresh_tokens import NO_DEVICE, NewToken, Repeat, Rotation
from backend.store.sessions import PasswordReplacement
from backend.store.user_changes import UserUpdate
from backend.store.users import NewUser

NOW = datetime(2026, 1, 20, 10, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def token(digest: str, at: datetime = NOW, life: timedelta = HOUR) -> NewToken:
    return NewToken(digest, at, at + life, "127.0.0.1", "tests")


@pytest.fixture
def user(database: Database) -> User:
    return database.write(users.insert, NewUser("bob", "hash", "trader", NOW))


@pytest.fixture
def family(database: Database, user: User) -> str:
    return database.write(refresh_tokens.insert_family, user.id, token("first"))


def is_revoked(database: Database, family: str) -> bool:
    def look(session) -> bool:
        return session.get_one(RefreshFamily, family).revoked_at is not None

    return database.read(look)


def test_a_token_is_rotated_once_and_names_its_user(
    database: Database, family: str, user: User
) -> None:
    rotation = database.write(refresh_tokens.rotate, "first", token("second"))
    assert (rotation.outcome, rotation.family_id) == ("rotated", family)
    assert rotation.user is not None
    assert rotation.user.id == user.id
    assert database.write(refresh_tokens.rotate, "second", token("third")).outcome == "rotated"


def test_a_promotion_between_check_and_change_of_a_password_is_not_forgotten(
    database: Database, user: User
) -> None:
    promotion = UserUpdate(role="admin")
    database.write(user_changes.update, user.id, promotion, NOW)
    short = PasswordReplacement("other hash", False, token("first"), NO_DEVICE)
    changed = database.write(sessions.replace_password, user, short)
    assert changed is not None
    assert (changed[0].role, changed[0].must_change_password) == ("admin", True)


def test_a_spent_token_revokes_its_family(database: Database, family: str) -> None:
    database.write(refresh_tokens.rotate, "first", token("second"))
    assert database.write(refresh_tokens.rotate, "first", token("stolen")).outcome == "reused"
    assert is_revoked(database, family)
    assert database.write(refresh_tokens.rotate, "second", token("third")).outcome == "refused"


def test_other_families_of_the_user_go_on(database: Database, family: str, user: User) -> None:
    other = database.write(refresh_tokens.insert_family, user.id, token("other"))
    database.write(refresh_tokens.rotate, "first", token("second"))
    database.write(refresh_tokens.rotate, "first", token("stolen"))
    assert not is_revoked(database, other)
    assert database.write(refresh_tokens.rotate, "other", token("next")).outcome == "rotated"


def test_an_expired_token_is_not_spent(database: Database, family: str) -> None:
    late = token("second", at=NOW + HOUR)
    assert database.write(refresh_tokens.rotate, "first", late).outcome == "expired"
    assert database.write(refresh_tokens.rotate, "first", late).outcome == "expired"
    assert not is_revoked(database, family)


def test_an_unknown_token_is_refused(database: Database) -> None:
    assert database.write(refresh_tokens.rotate, "unknown", token("second")) == (
        "refused",
        None,
        None,
        None,
    )


def test_a_disabled_user_gets_no_more_tokens(database: Database, family: str, user: User) -> None:
    database.write(user_changes.update, user.id, UserUpdate(disabled=True), NOW)
    assert is_revoked(database, family)
    assert database.write(refresh_tokens.rotate, "first", token("second")).outcome == "refused"


def test_deleting_a_user_deletes_their_families(
    database: Database, family: str, user: User
) -> None:
    assert database.write(user_changes.delete, user.id) is True
    assert database.write(refresh_tokens.rotate, "first", token("second")).outcome == "refused"
    assert database.read(lambda session: session.get(RefreshToken, "first")) is None


@pytest.mark.parametrize("attempt", range(5))
def test_of_many_who_race_exactly_one_wins(database: Database, family: str, attempt: int) -> None:
    count = 8
    barrier = threading.Barrier(count)
    outcomes: Counter[str] = Counter()

    def spend(number: int) -> None:
        barrier.wait()
        outcomes[
            database.write(refresh_tokens.rotate, "first", token(f"next{number}")).outcome
        ] += 1

    threads = [threading.Thread(target=spend, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"rotated": 1, "reused": count - 1}
    assert is_revoked(database, family)


@pytest.mark.parametrize("attempt", range(5))
def test_within_the_grace_all_who_race_get_the_successor_of_the_first(
    database: Database, family: str, attempt: int
) -> None:
    count = 8
    barrier = threading.Barrier(count)
    found: list[Rotation] = []

    def spend() -> None:
        barrier.wait()
        repeat = Repeat(timedelta(seconds=30), ("next", "older key"))
        found.append(database.write(refresh_tokens.rotate, "first", token("next"), repeat))

    threads = [threading.Thread(target=spend) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = Counter(rotation.outcome for rotation in found)
    assert outcomes == {"rotated": 1, "repeated": count - 1}
    assert {rotation.successor for rotation in found} == {"next"}
    assert not is_revoked(database, family)


@pytest.mark.parametrize("attempt", range(5))
def test_a_repeat_that_races_the_successors_use_never_leaves_two_chains(
    database: Database, family: str, attempt: int
) -> None:
    first = Repeat(timedelta(seconds=30), ("second",))
    database.write(refresh_tokens.rotate, "first", token("second"), first)
    barrier = threading.Barrier(2)
    outcomes: dict[str, str] = {}

    def spend(digest: str, successor: str) -> None:
        barrier.wait()
        repeat = Repeat(timedelta(seconds=30), (successor,))
        found = database.write(refresh_tokens.rotate, digest, token(successor), repeat)
        outcomes[digest] = found.outcome

    pairs = (("first", "second"), ("second", "third"))
    threads = [threading.Thread(target=spend, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if outcomes["first"] == "repeated":
        assert outcomes["second"] == "rotated"
    else:
        assert outcomes["first"] == "reused"
        assert is_revoked(database, family)


def test_another_familys_token_is_no_successor(database: Database, family: str, user: User) -> None:
    database.write(refresh_tokens.insert_family, user.id, token("other"))
    database.write(refresh_tokens.rotate, "first", token("second"))
    repeat = Repeat(timedelta(seconds=30), ("other",))
    assert database.write(refresh_tokens.rotate, "first", token("x"), repeat).outcome == "reused"


def test_pruning_forgets_only_what_expired_before(database: Database, user: User) -> None:
    database.write(refresh_tokens.insert_family, user.id, token("old", at=NOW - 3 * HOUR))
    mixed = database.write(refresh_tokens.insert_family, user.id, token("spent", at=NOW - 3 * HOUR))
    database.write(refresh_tokens.rotate, "spent", token("young", at=NOW - 3 * HOUR, life=4 * HOUR))
    database.write(sessions.delete_expired, NOW)

    def remaining(session) -> tuple[set[str], set[str]]:
        tokens = {row.digest for row in session.query(RefreshToken)}
        return tokens, {row.id for row in session.query(RefreshFamily)}

    assert database.read(remaining) == ({"young"}, {mixed})


def test_revoked_families_are_told_apart_by_time(
    database: Database, family: str, user: User
) -> None:
    other = database.write(refresh_tokens.insert_family, user.id, token("other"))
    database.write(refresh_tokens.revoke_families, [family], NOW - 2 * HOUR)
    database.write(refresh_tokens.revoke_families, [family, other], NOW)
    assert database.read(refresh_tokens.list_revoked_since, NOW - HOUR) == [(other, NOW)]
    assert dict(database.read(refresh_tokens.list_revoked_since, NOW - 3 * HOUR)) == {
        family: NOW - 2 * HOUR,
        other: NOW,
    }
