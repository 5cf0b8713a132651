"""Registering and resetting a password by mail, through a real server, and who learns what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import time_machine
import trustme
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.settings.model import Settings
from backend.store import Database
from backend.store.email_codes import LIFE, MOST_AN_HOUR, MOST_TRIES
from tests.databases import make_settings
from tests.identity.mail_server import MailServer, code_in
from tests.identity_app import NOWHERE, PASSWORD, SECRET, bearer

NEW_PASSWORD = "a horse of another colour"
EMAIL = "trader@example.org"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trust(monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, folder: Path) -> None:
    """Have this process believe what an authority signs, as a user would."""
    authority.cert_pem.write_to_path(folder / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))


@pytest.fixture
def mail(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MailServer]:
    trust(monkeypatch, authority, tmp_path)
    server = MailServer(authority)
    yield server
    server.close()


@pytest.fixture
def settings(tmp_path: Path, mail: MailServer) -> Settings:
    return make_settings(
        tmp_path,
        secret_key=SECRET,
        rate_limit_enabled=False,
        smtp_url=mail.url,
        mail_from="octobot@example.org",
        registration=True,
    )


@pytest.fixture
def trader_id(identity: Identity) -> str:
    user = identity.users.find_by_username("trader")
    return identity.users.change(user.id, UserChange(email=EMAIL)).id


def ask(client: FlaskClient, path: str, email: str = EMAIL) -> dict:
    answer = client.post(f"/auth/{path}", json={"email": email})
    assert answer.status_code == 202, answer.text
    return answer.json["data"]


def reset(client: FlaskClient, code: str, **changes: str):
    body = {"email": EMAIL, "code": code, "password": NEW_PASSWORD}
    return client.post("/auth/password-reset/complete", json=body | changes)


def register(client: FlaskClient, code: str, **changes: str):
    body = {"email": "new@example.org", "code": code, "username": "new", "password": NEW_PASSWORD}
    return client.post("/auth/register/complete", json=body | changes)


def outcome(answer) -> tuple[int, str]:
    return answer.status_code, answer.json.get("type", "ok")


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def flushed(identity: Identity, mail: MailServer, client: FlaskClient) -> None:
    """Wait until what was asked for before has been dealt with: mails are made in their order."""
    before = len(mail.mails)
    ask(client, "register", f"flush{before}{time.monotonic_ns()}@example.org")
    deadline = time.monotonic() + 60
    while not any("flush" in sent["To"] for sent in mail.mails[before:]):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_somebody_registers_and_logs_in(client: FlaskClient, mail: MailServer) -> None:
    assert ask(client, "register", "New@Example.org") == {"expires_in": 600}
    (sent,) = mail.wait_for(1)
    assert (sent["To"], sent["From"]) == ("new@example.org", "octobot@example.org")
    assert sent["Message-ID"].endswith("@example.org>")
    assert sent["Date"]
    assert mail.encrypted == [True]
    created = register(client, code_in(sent))
    assert created.status_code == 201
    user = created.json["data"]
    assert (user["username"], user["role"], user["email"]) == ("new", "viewer", "new@example.org")
    tokens = client.post("/auth/login", json={"username": "new", "password": NEW_PASSWORD})
    access = tokens.json["data"]["access_token"]
    assert client.get("/auth/me", headers=bearer(access)).json["data"] == user


def test_a_lost_password_is_set_anew_and_all_sessions_end(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    ask(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    assert outcome(reset(client, code)) == (200, "ok")
    assert client.get("/auth/me", headers=bearer(tokens.access_token)).status_code == 401
    refreshed = client.post("/auth/refresh", json={"refresh_token": tokens.refresh_token})
    assert refreshed.status_code == 401
    assert identity.login("trader", NEW_PASSWORD, *NOWHERE).user.id == trader_id


def test_a_code_works_once(client: FlaskClient, mail: MailServer, trader_id: str) -> None:
    ask(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    assert reset(client, code).status_code == 200
    assert outcome(reset(client, code)) == (400, "invalid_code")


def test_a_code_is_for_its_address_and_purpose_only(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    viewer = identity.users.find_by_username("viewer")
    identity.users.change(viewer.id, UserChange(email="viewer@example.org"))
    ask(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    assert outcome(reset(client, code, email="viewer@example.org")) == (400, "invalid_code")
    assert outcome(register(client, code, email=EMAIL)) == (400, "invalid_code")
    assert reset(client, code).status_code == 200


def test_a_code_wears_off(client: FlaskClient, mail: MailServer, trader_id: str) -> None:
    ask(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    with time_machine.travel(time.time() + LIFE.total_seconds() + 1):
        assert outcome(reset(client, code)) == (400, "invalid_code")
    with time_machine.travel(time.time() + LIFE.total_seconds() - 10):
        assert reset(client, code).status_code == 200


def test_brute_force_ends_after_five_wrong_tries(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    ask(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    for _ in range(MOST_TRIES):
        assert outcome(reset(client, wrong(code))) == (400, "invalid_code")
    assert outcome(reset(client, code)) == (400, "invalid_code")


def test_four_wrong_tries_leave_a_fifth(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    ask(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    for _ in range(MOST_TRIES - 1):
        reset(client, wrong(code))
    assert reset(client, code).status_code == 200


def test_a_new_code_supersedes_the_old_one(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    ask(client, "password-reset")
    mail.wait_for(1)
    ask(client, "password-reset")
    first, second = (code_in(sent) for sent in mail.wait_for(2))
    if first != second:
        assert outcome(reset(client, first)) == (400, "invalid_code")
    assert reset(client, second).status_code == 200


def test_an_address_gets_a_few_mails_an_hour(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    for _ in range(MOST_AN_HOUR + 4):
        ask(client, "password-reset")
    flushed(identity, mail, client)
    assert [sent["To"] for sent in mail.mails].count(EMAIL) == MOST_AN_HOUR
    with time_machine.travel(time.time() + 3601):
        ask(client, "password-reset")
        mail.wait_for(MOST_AN_HOUR + 2)
    assert [sent["To"] for sent in mail.mails].count(EMAIL) == MOST_AN_HOUR + 1


def test_known_and_unknown_addresses_get_the_same_answers(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    def told(path: str, email: str, body: dict | None = None) -> list[tuple]:
        answers = [client.post(f"/auth/{path}", json={"email": email})]
        flushed(identity, mail, client)
        for _ in range(MOST_TRIES + 2):
            trial = {"email": email, "code": "000000", "password": NEW_PASSWORD} | (body or {})
            answers.append(client.post(f"/auth/{path}/complete", json=trial))
        kept = [{**answer.json, "request_id": "", "timestamp": ""} for answer in answers]
        return [
            (a.status_code, sorted(a.headers.keys()), k) for a, k in zip(answers, kept, strict=True)
        ]

    assert told("password-reset", EMAIL) == told("password-reset", "nobody@example.org")
    name = {"username": "somebody"}
    assert told("register", EMAIL, name) == told("register", "nobody@example.org", name)


def test_asking_takes_the_same_work_for_known_and_unknown_addresses(
    client: FlaskClient, identity: Identity, database: Database, mail: MailServer, trader_id: str
) -> None:
    for path in ("password-reset", "register"):
        ask(client, path)
        ask(client, path, "nobody@example.org")
    flushed(identity, mail, client)
    with database.engine.connect() as connection:
        kept = connection.execute(
            text("SELECT email, purpose, length(digest) FROM mailed_codes ORDER BY email, purpose")
        ).all()
    assert [tuple(row) for row in kept if "flush" not in row[0]] == [
        ("nobody@example.org", "register", 64),
        ("nobody@example.org", "reset", 64),
        (EMAIL, "register", 64),
        (EMAIL, "reset", 64),
    ]


def test_only_owners_of_an_account_get_a_code_to_reset(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    ask(client, "password-reset", "nobody@example.org")
    identity.users.change(trader_id, UserChange(disabled=True))
    ask(client, "password-reset")
    flushed(identity, mail, client)
    assert [sent["To"] for sent in mail.mails if "flush" not in sent["To"]] == []


def test_who_has_an_account_is_told_so_by_mail_only(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    ask(client, "register")
    (sent,) = mail.wait_for(1)
    assert sent["Subject"] == "You have an account already"
    assert not any(word.isdigit() for word in sent.get_content().split())


def test_a_taken_name_leaves_the_code_good(client: FlaskClient, mail: MailServer) -> None:
    ask(client, "register", "new@example.org")
    code = code_in(mail.wait_for(1)[0])
    assert outcome(register(client, code, username="TRADER")) == (409, "conflict")
    assert register(client, code).status_code == 201


def test_a_reset_leaves_the_second_factor_in_force(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    seed = identity.second_factors.enroll(trader_id, "trader").secret
    identity.second_factors.confirm(trader_id, pyotp.TOTP(seed).now())
    ask(client, "password-reset")
    assert reset(client, code_in(mail.wait_for(1)[0])).status_code == 200
    answer = client.post("/auth/login", json={"username": "trader", "password": NEW_PASSWORD})
    assert outcome(answer) == (401, "second_factor_required")


def test_no_code_is_in_database_log_or_answer(
    client: FlaskClient, identity: Identity, database: Database, mail: MailServer, trader_id: str
) -> None:
    with capture_logs() as lines:
        ask(client, "password-reset")
        code = code_in(mail.wait_for(1)[0])
        reset(client, wrong(code))
        assert reset(client, code).status_code == 200
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT digest FROM mailed_codes")).scalars().all()
    assert len(rows) == 1
    assert code not in str(lines)
    assert NEW_PASSWORD not in str(lines)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("register", {"email": "nonsense"}, "email"),
        ("register", {"email": "a@example.org\r\nBcc: b@example.org"}, "email"),
        ("password-reset", {"email": ""}, "email"),
        ("password-reset", {}, "email"),
        (
            "password-reset/complete",
            {"email": EMAIL, "code": "12345", "password": "x" * 10},
            "code",
        ),
        (
            "password-reset/complete",
            {"email": EMAIL, "code": "123456", "password": "short"},
            "password",
        ),
    ],
)
def test_what_does_not_fit_names_the_field(
    client: FlaskClient, path: str, body: dict, field: str
) -> None:
    answer = client.post(f"/auth/{path}", json=body)
    assert answer.status_code == 400
    assert [item["field"] for item in answer.json["fields"]] == [field]


class TestOff:
    """A server that sends no mail."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return make_settings(tmp_path, secret_key=SECRET, rate_limit_enabled=False)

    def test_nobody_registers_or_resets(self, client: FlaskClient, identity: Identity) -> None:
        for path in ("register", "register/complete"):
            body = {"email": "new@example.org"}
            if "complete" in path:
                body |= {"code": "123456", "username": "new", "password": NEW_PASSWORD}
            answer = client.post(f"/auth/{path}", json=body)
            assert outcome(answer) == (403, "registration_off")
        answer = client.post("/auth/password-reset", json={"email": EMAIL})
        assert outcome(answer) == (403, "mail_off")


class TestServers:
    """What kinds of mail servers are spoken to."""

    @pytest.fixture(params=["smtps", "plain", "unknown certificate", "wrong password"])
    def kind(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def mail(
        self, kind: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[MailServer]:
        trust(monkeypatch, trustme.CA() if "unknown" in kind else authority, tmp_path)
        server = MailServer(
            authority, scheme="smtps" if kind == "smtps" else "smtp", tls=kind != "plain"
        )
        if kind == "wrong password":
            server.url = server.url.replace("mailer:", "mallory:")
        yield server
        server.close()

    def test_mail_goes_over_tls_to_a_known_server_or_not_at_all(
        self, kind: str, client: FlaskClient, mail: MailServer, trader_id: str
    ) -> None:
        with capture_logs() as lines:
            ask(client, "password-reset")
            if kind == "smtps":
                assert code_in(mail.wait_for(1)[0])
                return
            deadline = time.monotonic() + 60
            while "a mail was not sent" not in [line["event"] for line in lines]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert mail.mails == []
        assert "p@ss" not in str(lines)
        assert EMAIL not in [line.get("error") for line in lines]
