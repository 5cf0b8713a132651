"""Revocation of tokens and sessions before they expire, across restarts."""

from __future__ import annotations

import threading
import time

import pytest
import time_machine
from sqlalchemy import text

from backend.errors import Conflict, InvalidCredentials, InvalidToken, ValidationFailed
from backend.identity import Identity, Principal
from backend.schemas.auth import Tokens
from backend.schemas.users import UserChange
from backend.store import Database
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity

NEW_PASSWORD = "a horse of another colour"


@pytest.fixture
def principal(identity: Identity, tokens: Tokens) -> Principal:
    return identity.verify_access_token(tokens.access_token)


def assert_revoked(identity: Identity, tokens: Tokens, principal: Principal) -> None:
    with pytest.raises(InvalidToken):
        identity.verify_access_token(tokens.access_token)
    assert identity.is_active(principal) is False


def test_a_logout_ends_the_access_token_alone(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    assert identity.logout(principal, None) == "token"
    assert_revoked(identity, tokens, principal)
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    assert identity.is_active(identity.verify_access_token(renewed.access_token)) is True


def test_a_logout_with_the_refresh_token_ends_the_session(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    assert identity.logout(principal, renewed.refresh_token) == "session"
    assert_revoked(identity, tokens, principal)
    with pytest.raises(InvalidToken):
        identity.verify_access_token(renewed.access_token)
    with pytest.raises(InvalidToken):
        identity.refresh(renewed.refresh_token, *NOWHERE)


def test_nobody_can_end_anothers_session(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    other = identity.login("viewer", PASSWORD, *NOWHERE)
    assert identity.logout(principal, other.refresh_token) == "token"
    assert identity.verify_access_token(other.access_token).username == "viewer"
    assert identity.refresh(other.refresh_token, *NOWHERE).user.username == "viewer"


def test_logging_out_twice_is_once(identity: Identity, principal: Principal) -> None:
    assert identity.logout(principal, None) == "token"
    assert identity.logout(principal, "unknown") == "token"


def test_a_disabled_user_has_no_tokens_and_no_sessions(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    identity.users.change(principal.user_id, UserChange(disabled=True))
    assert_revoked(identity, tokens, principal)
    with pytest.raises(InvalidToken):
        identity.refresh(tokens.refresh_token, *NOWHERE)


def test_a_deleted_user_has_no_tokens_and_no_sessions(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    identity.users.remove(principal.user_id)
    assert_revoked(identity, tokens, principal)
    with pytest.raises(InvalidToken):
        identity.profiles.get(principal)
    with pytest.raises(InvalidToken):
        identity.refresh(tokens.refresh_token, *NOWHERE)
    with pytest.raises(InvalidCredentials):
        identity.login("trader", PASSWORD, *NOWHERE)


def test_a_name_given_anew_does_not_inherit_tokens(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    identity.users.remove(principal.user_id)
    identity.users.create("trader", PASSWORD, "trader")
    assert_revoked(identity, tokens, principal)


def test_a_new_password_ends_all_sessions_but_the_one_it_opens(
    identity: Identity, tokens: Tokens, principal: Principal
) -> None:
    other = identity.login("trader", PASSWORD, *NOWHERE)
    fresh = identity.change_password(principal, PASSWORD, NEW_PASSWORD, *NOWHERE)
    for old in (tokens, other):
        with pytest.raises(InvalidToken):
            identity.verify_access_token(old.access_token)
        with pytest.raises(InvalidToken):
            identity.refresh(old.refresh_token, *NOWHERE)
    assert identity.verify_access_token(fresh.access_token).username == "trader"
    assert identity.refresh(fresh.refresh_token, *NOWHERE).user.username == "trader"
    with pytest.raises(InvalidCredentials):
        identity.login("trader", PASSWORD, *NOWHERE)
    assert identity.login("trader", NEW_PASSWORD, *NOWHERE).user.username == "trader"


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [("wrong", NEW_PASSWORD, "current_password"), (PASSWORD, PASSWORD, "new_password")],
)
def test_a_refused_password_change_changes_nothing(
    identity: Identity, tokens: Tokens, principal: Principal, current: str, new: str, field: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        identity.change_password(principal, current, new, *NOWHERE)
    assert [item.field for item in refused.value.fields] == [field]
    assert identity.verify_access_token(tokens.access_token) == principal
    assert identity.login("trader", PASSWORD, *NOWHERE).user.username == "trader"


def test_of_two_password_changes_at_once_one_wins(identity: Identity, principal: Principal) -> None:
    barrier = threading.Barrier(2)
    kept: list[str] = []
    refused: list[type[Exception]] = []

    def change(new: str) -> None:
        barrier.wait()
        try:
            identity.change_password(principal, PASSWORD, new, *NOWHERE)
        except (Conflict, ValidationFailed) as error:  # beaten before or after its check
            refused.append(type(error))
        else:
            kept.append(new)

    threads = [threading.Thread(target=change, args=[f"{NEW_PASSWORD} {n}"]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(kept), len(refused)) == (1, 1)
    assert identity.login("trader", kept[0], *NOWHERE).user.username == "trader"


def test_no_session_opened_with_the_old_password_outlives_the_change(
    identity: Identity, principal: Principal
) -> None:
    stop = threading.Event()
    opened: list[Tokens] = []

    def keep_logging_in() -> None:
        while not stop.is_set():
            try:
                opened.append(identity.login("trader", PASSWORD, *NOWHERE))
            except InvalidCredentials:
                return

    threads = [threading.Thread(target=keep_logging_in) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(opened) < 3:
        time.sleep(0.001)
    identity.change_password(principal, PASSWORD, NEW_PASSWORD, *NOWHERE)
    for thread in threads:
        thread.join()
    stop.set()
    assert len(opened) >= 3
    for tokens in opened:
        with pytest.raises(InvalidToken):
            identity.verify_access_token(tokens.access_token)


@pytest.mark.parametrize("how", ["logout", "session", "disable", "delete", "password"])
def test_what_was_ended_stays_ended_when_the_server_starts_anew(
    start_identity: StartIdentity,
    identity: Identity,
    tokens: Tokens,
    principal: Principal,
    how: str,
) -> None:
    endings = {
        "logout": lambda: identity.logout(principal, None),
        "session": lambda: identity.logout(principal, tokens.refresh_token),
        "disable": lambda: identity.users.change(principal.user_id, UserChange(disabled=True)),
        "delete": lambda: identity.users.remove(principal.user_id),
        "password": lambda: identity.change_password(principal, PASSWORD, NEW_PASSWORD, *NOWHERE),
    }
    bystander = identity.login("viewer", PASSWORD, *NOWHERE)
    endings[how]()
    restarted = start_identity()
    assert_revoked(restarted, tokens, principal)
    assert restarted.verify_access_token(bystander.access_token).username == "viewer"


def test_a_revoked_token_is_remembered_for_as_long_as_it_could_live(
    start_identity: StartIdentity, database: Database
) -> None:
    day = 86_400
    identity = start_identity(token_expiry=day, refresh_expiry=1)
    identity.users.create("bob", PASSWORD, "viewer")
    tokens = identity.login("bob", PASSWORD, *NOWHERE)
    principal = identity.verify_access_token(tokens.access_token)
    with time_machine.travel(time.time() + 5, tick=False):
        identity.users.change(principal.user_id, UserChange(disabled=True))
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE users SET disabled_at = NULL"))
    with time_machine.travel(time.time() + day - 10, tick=False):
        restarted = start_identity()
        assert principal.expires_at.timestamp() > time.time()
        assert_revoked(restarted, tokens, principal)


def test_the_memory_of_revocations_does_not_grow_for_ever(
    start_identity: StartIdentity, identity: Identity, database: Database, principal: Principal
) -> None:
    identity.logout(principal, None)
    with database.engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM revoked_tokens")).scalar()
        assert kept == 1
    with time_machine.travel(time.time() + 10 * 86_400, tick=False):
        start_identity()
    with database.engine.connect() as connection:
        for table in ("revoked_tokens", "refresh_tokens", "refresh_families"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


def test_a_role_that_changed_ends_tokens_of_the_old_one(
    start_identity: StartIdentity,
    database: Database,
    identity: Identity,
    tokens: Tokens,
    principal: Principal,
) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE users SET role = 'viewer' WHERE username = 'trader'"))
    restarted = start_identity()
    assert_revoked(restarted, tokens, principal)
    renewed = restarted.refresh(tokens.refresh_token, *NOWHERE)
    assert restarted.verify_access_token(renewed.access_token).role == "viewer"
