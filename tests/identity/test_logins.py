"""Logins: tokens on success, indistinguishable failures."""

from __future__ import annotations

import threading
import time

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from backend.errors import Conflict, InvalidCredentials, NotFound, ValidationFailed
from backend.identity import Identity
from backend.identity.first_admin import ensure_first_admin
from backend.identity.roles import ALL_SCOPES, SCOPES
from backend.schemas.users import UserChange
from backend.settings.model import Settings
from backend.store import Database, users
from backend.store.models import RefreshToken
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity


def test_a_login_gives_tokens_of_the_users_role(identity: Identity, settings: Settings) -> None:
    tokens = identity.login("viewer", PASSWORD, *NOWHERE)
    principal = identity.verify_access_token(tokens.access_token)
    assert (principal.username, principal.role) == ("viewer", "viewer")
    assert principal.user_id == tokens.user.id
    assert principal.scopes == SCOPES["viewer"]
    assert tokens.user.scopes == sorted(SCOPES["viewer"])
    assert (tokens.token_type, tokens.expires_in) == ("Bearer", settings.token_expiry)
    shown = identity.profiles.get(principal).model_dump()
    assert shown == tokens.user.model_dump() | {"referrals": 0}


def test_roles_grow_from_viewer_to_admin() -> None:
    assert SCOPES["trader"] - SCOPES["viewer"] == {"orders:write"}
    assert SCOPES["admin"] == ALL_SCOPES
    assert {scope for scope in SCOPES["viewer"] if not scope.endswith(":read")} == set()
    private = {"users:read", "audit:read", "config:read"}
    assert SCOPES["viewer"].isdisjoint(private)
    assert SCOPES["trader"].isdisjoint(private)


def test_the_case_of_the_name_does_not_matter(identity: Identity) -> None:
    assert identity.login("TrAdEr", PASSWORD, *NOWHERE).user.username == "trader"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("trader", "wrong"),
        ("trader", ""),
        ("trader", PASSWORD + "\x00"),
        ("trader", "\ud800"),
        ("nobody", PASSWORD),
        ("trader ", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("trader\x00", PASSWORD),
        ("\ud800", PASSWORD),
        ("trader%", PASSWORD),
        ("x" * 10_000, PASSWORD),
    ],
)
def test_wrong_credentials_are_all_refused_alike(
    identity: Identity, username: str, password: str
) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        identity.login(username, password, *NOWHERE)
    assert refused.value.details is None


def test_a_failed_login_names_known_users_and_hides_the_rest(identity: Identity) -> None:
    with pytest.raises(InvalidCredentials) as known:
        identity.login("Trader", "wrong", *NOWHERE)
    with pytest.raises(InvalidCredentials) as unknown:
        identity.login("my password by mistake", "wrong", *NOWHERE)
    assert known.value.username == "trader"
    assert unknown.value.username == "m***"


def test_unknown_names_take_as_much_work_as_wrong_passwords(identity: Identity) -> None:
    def work(username: str) -> float:
        started = time.process_time()
        with pytest.raises(InvalidCredentials):
            identity.login(username, "wrong", *NOWHERE)
        return time.process_time() - started

    pairs = [(work("nobody"), work("trader")) for _ in range(10)]
    unknown, known = (min(times) for times in zip(*pairs, strict=True))
    assert 0.4 < unknown / known < 2.5


def test_a_disabled_user_is_refused_like_a_wrong_password(identity: Identity) -> None:
    user_id = identity.login("trader", PASSWORD, *NOWHERE).user.id
    identity.users.change(user_id, UserChange(disabled=True))
    with pytest.raises(InvalidCredentials) as refused:
        identity.login("trader", PASSWORD, *NOWHERE)
    assert refused.value.details is None


def test_an_outdated_hash_is_replaced_at_the_next_login(
    identity: Identity, database: Database
) -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)

    def weaken(session) -> None:
        users.find_by_name(session, "trader").password_hash = weaker

    database.write(weaken)
    identity.login("trader", PASSWORD, *NOWHERE)
    replaced = database.read(users.find_by_name, "trader").password_hash
    assert "m=19456,t=2,p=1" in replaced
    assert identity.login("trader", PASSWORD, *NOWHERE).user.username == "trader"
    assert database.read(users.find_by_name, "trader").password_hash == replaced


def test_where_a_session_came_from_is_kept_and_made_printable(
    identity: Identity, database: Database
) -> None:
    identity.login("trader", PASSWORD, "::1", "Phone\x00\r\n" + "x" * 500)

    def look(session) -> tuple[str, str]:
        row = session.query(RefreshToken).one()
        return row.address, row.user_agent

    assert database.read(look) == ("::1", "Phone???" + "x" * 192)


def test_neither_password_nor_token_is_in_the_database(
    identity: Identity, database: Database
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    tokens = identity.refresh(tokens.refresh_token, *NOWHERE)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        content = "\n".join(
            str(row)
            for name in tables.scalars().all()
            for row in connection.exec_driver_sql(f"SELECT * FROM {name}")
        )
    assert tokens.user.id in content
    for secret in (PASSWORD, tokens.refresh_token, tokens.access_token.split(".")[2]):
        assert secret not in content


def test_many_may_log_in_at_once(identity: Identity) -> None:
    outcomes: list[str] = []

    def log_in(username: str) -> None:
        outcomes.append(identity.login(username, PASSWORD, *NOWHERE).user.username)

    names = ["viewer", "trader", "admin"] * 4
    threads = [threading.Thread(target=log_in, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted(names)


def test_the_first_admin_gets_a_password_that_is_shown_once(
    start_identity: StartIdentity, settings: Settings, database: Database
) -> None:
    identity = start_identity()
    password = ensure_first_admin(database, identity.users, settings)
    assert password is not None
    assert len(password) >= 20
    assert identity.login("admin", password, *NOWHERE).user.role == "admin"
    assert ensure_first_admin(database, identity.users, settings) is None
    assert ensure_first_admin(database, start_identity().users, settings) is None


def test_a_given_admin_password_is_taken_and_not_shown(
    start_identity: StartIdentity, database: Database, tmp_path
) -> None:
    given = Settings(
        _env_file=None, home=tmp_path, admin_username="Root", admin_password="given by the owner"
    )
    identity = start_identity()
    assert ensure_first_admin(database, identity.users, given) is None
    assert identity.login("root", "given by the owner", *NOWHERE).user.role == "admin"
    with pytest.raises(InvalidCredentials):
        identity.login("admin", "given by the owner", *NOWHERE)


def test_where_there_is_a_user_no_admin_is_made(
    identity: Identity, settings: Settings, database: Database
) -> None:
    assert ensure_first_admin(database, identity.users, settings) is None


def test_a_name_can_be_taken_once_whatever_its_case(identity: Identity) -> None:
    with pytest.raises(Conflict):
        identity.users.create("Trader", PASSWORD, "admin")
    assert identity.login("trader", PASSWORD, *NOWHERE).user.role == "trader"


@pytest.mark.parametrize("username", ["", "two words", "a/b", "ünïcode", "x" * 65, "nul\x00"])
def test_names_that_could_confuse_are_refused(identity: Identity, username: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        identity.users.create(username, PASSWORD, "viewer")
    assert [field.field for field in refused.value.fields] == ["username"]


def test_there_is_nobody_to_disable_or_delete_under_an_unknown_id(identity: Identity) -> None:
    with pytest.raises(NotFound):
        identity.users.change("nobody", UserChange(disabled=True))
    with pytest.raises(NotFound):
        identity.users.remove("nobody")
