"""The identity service on PostgreSQL: hostile input and races."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy.exc import IntegrityError

from backend.concurrency.host import ThreadHost
from backend.errors import ApiError, Conflict, InvalidCredentials, InvalidToken, LastAdmin
from backend.identity import Identity
from backend.schemas.api_keys import NewApiKey
from backend.schemas.common import PageQuery, utc_now
from backend.schemas.users import UserChange
from backend.settings.model import Settings
from backend.store import Database, passkeys
from backend.store import email_codes as mailed_codes
from backend.store.email_codes import MAX_ATTEMPTS, Attempt, NewCode
from tests.databases import Cluster, make_settings
from tests.identity_app import NOWHERE, PASSWORD, SECRET, StartIdentity

HOSTILE = ["", "\x00", "\ud800", "' OR 1=1 --", "%", "x" * 10_000, "ünïcode"]


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster) -> Settings:
    return make_settings(tmp_path, secret_key=SECRET, database_url=cluster.create_migrated())


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_sent_is_refused_in_order(identity: Identity, text: str) -> None:
    with pytest.raises(InvalidCredentials):
        identity.login(text, text, text, text)
    with pytest.raises(InvalidToken):
        identity.refresh(text, text, text)


@pytest.mark.parametrize("text", HOSTILE)
def test_any_address_and_agent_can_be_kept(identity: Identity, text: str) -> None:
    tokens = identity.login("trader", PASSWORD, text, text)
    assert identity.refresh(tokens.refresh_token, text, text).user.username == "trader"


def test_a_session_lives_and_ends_across_starts(
    identity: Identity, start_identity: StartIdentity
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    principal = identity.verify_access_token(tokens.access_token)
    assert identity.logout(principal, tokens.refresh_token) == "session"
    restarted = start_identity()
    assert restarted.is_active(principal) is False
    with pytest.raises(InvalidToken):
        restarted.refresh(tokens.refresh_token, *NOWHERE)


def test_names_are_taken_once(identity: Identity) -> None:
    with pytest.raises(Conflict):
        identity.users.create("TRADER", PASSWORD, "viewer")


def test_refreshing_changing_and_disabling_at_once_ends_with_no_live_session(
    identity: Identity, database: Database
) -> None:
    sessions = [identity.login("trader", PASSWORD, *NOWHERE) for _ in range(6)]
    principal = identity.verify_access_token(sessions[0].access_token)
    barrier = threading.Barrier(len(sessions) + 1)
    outcomes: list[str] = []
    renewed: list[str] = []

    def refresh(token: str) -> None:
        barrier.wait()
        try:
            renewed.append(identity.refresh(token, *NOWHERE).access_token)
        except ApiError as error:
            outcomes.append(error.type)

    def disable() -> None:
        barrier.wait()
        identity.users.change(principal.user_id, UserChange(disabled=True))

    threads = [threading.Thread(target=refresh, args=[item.refresh_token]) for item in sessions]
    threads.append(threading.Thread(target=disable))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(renewed) + outcomes.count("invalid_token") == len(sessions)
    for access_token in renewed + [item.access_token for item in sessions]:
        with pytest.raises(InvalidToken):
            identity.verify_access_token(access_token)
    restarted = Identity(make_settings(Path("unused"), secret_key=SECRET), database, ThreadHost())
    assert restarted.is_active(principal) is False
    restarted.close()


def test_of_the_last_two_admins_who_leave_at_once_one_stays(identity: Identity) -> None:
    identity.users.create("second", PASSWORD, "admin")
    ids = [identity.users.find_by_username(name).id for name in ("admin", "second")]
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def leave(user_id: str, how: int) -> None:
        barrier.wait()
        try:
            if how:
                identity.users.remove(user_id)
            else:
                identity.users.change(user_id, UserChange(role="viewer"))
        except LastAdmin as error:
            outcomes.append(error.type)
        else:
            outcomes.append("left")

    threads = [threading.Thread(target=leave, args=pair) for pair in zip(ids, (0, 1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["last_admin", "left"]


def test_sessions_and_keys_are_listed_in_pages_and_ended(
    identity: Identity, start_identity: StartIdentity
) -> None:
    for number in range(3):
        tokens = identity.login("trader", PASSWORD, "127.0.0.1", f"app/{number}")
        identity.api_keys.create(
            tokens.user.id, "trader", NewApiKey(name=f"key {number}", scopes=["orders:read"])
        )
    principal = identity.verify_access_token(tokens.access_token)
    identity.record_use(principal, "203.0.113.9")
    user_id = principal.user_id
    first = identity.sessions.page(user_id, principal, PageQuery(limit=2))
    cursor = first.pagination.next_cursor
    rest = identity.sessions.page(user_id, principal, PageQuery(limit=2, cursor=cursor))
    assert [one.device for one in first.data + rest.data] == ["app/2", "app/1", "app/0"]
    assert first.data[0].address == "203.0.113.9"
    keys = identity.api_keys.page(user_id, PageQuery(limit=2))
    assert [key.name for key in keys.data] == ["key 2", "key 1"]
    identity.sessions.revoke(user_id, rest.data[0].id)
    identity.api_keys.revoke(user_id, keys.data[0].id)
    restarted = start_identity()
    assert len(restarted.sessions.page(user_id, principal, PageQuery()).data) == 2
    assert len(restarted.api_keys.page(user_id, PageQuery()).data) == 2


def test_a_code_of_the_second_factor_works_once_whoever_races(identity: Identity) -> None:
    user = identity.users.find_by_username("trader")
    app = pyotp.TOTP(identity.second_factors.enroll(user.id, user.username).secret)
    codes = identity.second_factors.confirm(user.id, app.now()).recovery_codes
    barrier = threading.Barrier(4)
    outcomes: list[bool] = []

    def send() -> None:
        barrier.wait()
        outcomes.append(identity.second_factors.verify(user.id, codes[0]))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]


def test_a_challenge_of_a_passkey_is_taken_once_whoever_races(
    identity: Identity, database: Database
) -> None:
    user = identity.users.find_by_username("trader")
    challenge = passkeys.Challenge("d" * 64, user.id, "login", "")
    database.write(passkeys.issue, challenge, utc_now())
    assert not database.write(passkeys.take, challenge._replace(session_id="s"), utc_now())
    barrier = threading.Barrier(4)
    outcomes: list[bool] = []

    def take() -> None:
        barrier.wait()
        outcomes.append(database.write(passkeys.take, challenge, utc_now()))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]


def test_of_a_users_challenges_the_newest_stay(identity: Identity, database: Database) -> None:
    user = identity.users.find_by_username("trader")
    now = utc_now()
    issued = [
        passkeys.Challenge(f"{number:064}", user.id, "login", "")
        for number in range(passkeys.MOST_CHALLENGES + 5)
    ]
    for number, challenge in enumerate(issued):
        database.write(passkeys.issue, challenge, now + timedelta(seconds=number))
    taken = [database.write(passkeys.take, challenge, now) for challenge in issued]
    assert taken == [False] * 5 + [True] * passkeys.MOST_CHALLENGES


def test_a_passkey_is_kept_found_and_removed(identity: Identity, database: Database) -> None:
    user = identity.users.find_by_username("trader")
    now = utc_now()
    new = passkeys.NewPasskey(
        user.id, "c" * 1364, b"\x00\xff", 2**32 - 1, "usb", "key\x00", True, now
    )
    assert database.write(passkeys.insert, new, []) is None
    kept = database.write(passkeys.insert, new, ["e" * 64])
    assert kept is not None
    with pytest.raises(IntegrityError):
        database.write(passkeys.insert, new, [])
    (row,) = database.read(passkeys.list_page, user.id, 10)
    assert (row.public_key, row.sign_count, row.name) == (b"\x00\xff", 2**32 - 1, "key?")
    user_after = database.write(passkeys.remove, kept.id, user.id, frozenset())
    assert user_after is not None
    assert user_after.second_factor is False


def test_mailed_codes_are_kept_checked_and_spent_once(database: Database) -> None:
    now = utc_now()
    new = NewCode("reset", "a@example.org", "d" * 64, "192.0.2.1", False, now)
    assert database.write(mailed_codes.issue, new) is True
    wrong = Attempt("reset", "a@example.org", "e" * 64, "192.0.2.1", now)
    for _ in range(MAX_ATTEMPTS - 1):
        assert database.write(mailed_codes.verify, wrong) is None
    code_id = database.write(mailed_codes.verify, wrong._replace(digest="d" * 64))
    assert code_id is not None
    assert database.write(mailed_codes.mark_spent, code_id, now) is True
    assert database.write(mailed_codes.mark_spent, code_id, now) is False
    assert database.write(mailed_codes.verify, wrong._replace(digest="d" * 64)) is None
