"""`octobot-backend user …` as a user types it, and a server that runs meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pyotp
import pytest
from click.testing import CliRunner, Result

from backend.cli.main import main
from backend.errors import ApiError, InvalidCredentials, InvalidToken, SecondFactorRequired
from backend.identity import Identity
from backend.settings.model import Settings
from backend.store import Database, audit
from tests.identity_app import NOWHERE, PASSWORD

pytestmark = pytest.mark.long

NEW_PASSWORD = "a horse of another colour"
NOTICED_WITHIN_S = 60
Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, database: Database) -> Run:
    environment = {
        "BACKEND_HOME": str(settings.home),
        "BACKEND_SECRET_KEY": settings.secret_key.get_secret_value(),
    }

    def run(*arguments: str, stdin: str | None = None, group: str = "user") -> Result:
        return CliRunner().invoke(main, [group, *arguments], input=stdin, env=environment)

    return run


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NOTICED_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_refused(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ApiError:
        return True
    return False


def test_a_user_is_created_with_a_password_to_replace(run: Run, identity: Identity) -> None:
    created = run("create", "Alice", "--role", "trader", "--email", "Alice@example.org")
    assert created.exit_code == 0, created.output
    password = re.search(r"password, shown only now: (\S{20,})", created.output)[1]
    tokens = identity.login("alice", password, *NOWHERE)
    assert (tokens.user.role, tokens.user.email) == ("trader", "alice@example.org")
    assert tokens.user.must_change_password is True
    assert identity.must_change_password(identity.verify_access_token(tokens.access_token)) is True


def test_a_given_password_is_kept(run: Run, identity: Identity) -> None:
    created = run("create", "alice", "--password-stdin", stdin=NEW_PASSWORD + "\n")
    assert created.exit_code == 0
    assert NEW_PASSWORD not in created.output
    tokens = identity.login("alice", NEW_PASSWORD, *NOWHERE)
    assert (tokens.user.role, tokens.user.must_change_password) == ("viewer", False)


def test_users_are_listed_and_shown(run: Run, identity: Identity) -> None:
    lines = run("list").stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["admin", "admin", "enabled"],
        ["trader", "trader", "enabled"],
        ["viewer", "viewer", "enabled"],
    ]
    shown = run("show", "TRADER").stdout
    lines = ["role: trader", "email: -", "disabled: no", "second_factor: no"]
    code = identity.users.find_by_username("trader").referral_code
    lines += ["name: -", "phone: -", "status: active", "is_admin: no", f"referral_code: {code}"]
    assert set(lines) <= set(shown.splitlines())
    assert "password" not in shown.replace("must_change_password", "")


def test_a_new_admin_of_unknown_strength_is_told_of(run: Run, identity: Identity) -> None:
    words = "trader has to set another password before anything else"
    assert run("set-role", "trader", "admin").stdout.splitlines() == ["trader is admin now", words]
    assert identity.users.find_by_username("trader").must_change_password is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nobody"], "no such user"),
        (["disable", "nobody"], "no such user"),
        (["delete", "nobody", "--yes"], "no such user"),
        (["set-role", "admin", "viewer"], "the last admin who may log in stays one"),
        (["disable", "admin"], "the last admin who may log in stays one"),
        (["delete", "admin", "--yes"], "the last admin who may log in stays one"),
        (["create", "trader"], "the username or the email is taken"),
        (["create", "two words"], "username: 1 to 64 letters, digits or any of _ . @ -"),
        (["create", "alice", "--email", "nonsense"], "--email: an address"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, identity: Identity, arguments: list[str], words: str
) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert words in line


def test_a_short_password_is_refused(run: Run, identity: Identity) -> None:
    refused = run("reset-password", "trader", "--password-stdin", stdin="short\n")
    assert (refused.exit_code, "at least 10" in refused.stderr) == (2, True)
    assert identity.login("trader", PASSWORD, *NOWHERE).user.must_change_password is False


def test_a_lost_second_factor_is_removed(run: Run, identity: Identity) -> None:
    user = identity.users.find_by_username("trader")
    seed = identity.second_factors.enroll(user.id, user.username).secret
    identity.second_factors.confirm(user.id, pyotp.TOTP(seed).now())
    with pytest.raises(SecondFactorRequired):
        identity.login("trader", PASSWORD, *NOWHERE)
    assert run("remove-second-factor", "trader").exit_code == 0
    assert identity.login("trader", PASSWORD, *NOWHERE).user.second_factor is False


def test_deleting_asks_first(run: Run, identity: Identity) -> None:
    assert run("delete", "trader", stdin="n\n").exit_code == 1
    assert identity.users.find_by_username("trader").role == "trader"
    assert run("delete", "trader", stdin="y\n").exit_code == 0
    assert is_refused(lambda: identity.users.find_by_username("trader"))


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["disable", "trader"], None),
        (["set-role", "trader", "viewer"], None),
        (["reset-password", "trader"], None),
        (["delete", "trader", "--yes"], None),
    ],
)
def test_a_running_server_notices(
    run: Run, identity: Identity, arguments: list[str], stdin: str | None
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    principal = identity.verify_access_token(tokens.access_token)
    assert run(*arguments, stdin=stdin).exit_code == 0
    eventually(lambda: not identity.is_active(principal))
    with pytest.raises(InvalidToken):
        identity.verify_access_token(tokens.access_token)


def test_a_running_server_lets_in_who_was_enabled_again(run: Run, identity: Identity) -> None:
    run("disable", "trader")
    with pytest.raises(InvalidCredentials):
        identity.login("trader", PASSWORD, *NOWHERE)
    run("enable", "trader")
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    assert identity.verify_access_token(tokens.access_token).username == "trader"


def test_a_key_is_made_listed_and_revoked_while_a_server_runs(run: Run, identity: Identity) -> None:
    made = run(
        *("create", "trader", "script", "--scope", "orders:read", "--scope", "orders:write"),
        *("--network", "127.0.0.0/8", "--days", "30"),
        group="api-key",
    )
    assert made.exit_code == 0, made.output
    key = re.search(r"key, shown only now: (obk_\S+)", made.output)[1]
    eventually(lambda: not is_refused(lambda: identity.api_keys.verify(key, "127.0.0.1")))
    principal = identity.api_keys.verify(key, "127.0.0.1")
    assert (principal.username, principal.scopes) == ("trader", {"orders:read", "orders:write"})
    (line,) = run("list", "trader", group="api-key").stdout.splitlines()
    prefix, name, scopes, *_times = line.split("\t")
    assert (name, scopes) == ("script", "orders:read,orders:write")
    assert run("revoke", "trader", prefix, group="api-key").exit_code == 0
    eventually(lambda: not identity.is_active(principal))
    assert run("revoke", "trader", prefix, group="api-key").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody", "x", "--scope", "orders:read"], "no such user"),
        (["trader", "x", "--scope", "users:write"], "the role trader lacks users:write"),
        (["trader", "x", "--scope", "nonsense"], "scopes: "),
        (["trader", "x", "--scope", "orders:read", "--network", "nowhere"], "networks: "),
    ],
)
def test_a_key_that_cannot_be_made_is_one_line(
    run: Run, identity: Identity, arguments: list[str], words: str
) -> None:
    refused = run("create", *arguments, group="api-key")
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert words in line


def test_what_the_command_does_is_audited(run: Run, identity: Identity, database: Database) -> None:
    run("create", "alice")
    run("set-role", "alice", "trader")
    run("disable", "admin")
    run("list")
    entries = database.read(audit.list_entries, 10)[::-1]
    assert [(entry.action, entry.path, entry.outcome) for entry in entries] == [
        ("user.create", "user create alice", "ok"),
        ("user.set-role", "user set-role alice", "ok"),
        ("user.disable", "user disable admin", "last_admin"),
    ]
    assert {entry.method for entry in entries} == {"COMMAND"}
    assert all(entry.username for entry in entries)
