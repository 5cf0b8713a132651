"""Registration and password reset by mailed codes: single use, expiry, wrong tries, limits."""

from __future__ import annotations

import time

import pyotp
import pytest
import time_machine
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.store.email_codes import LIFETIME, MAX_ATTEMPTS, MAX_PER_HOUR
from tests.identity.email_codes.code_client import (
    EMAIL,
    NEW_PASSWORD,
    outcome,
    register,
    request_code,
    reset,
    wait_for_mailer,
    wrong_code,
)
from tests.identity.email_codes.mail_server import MailServer, code_in
from tests.identity_app import NOWHERE, PASSWORD, bearer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


def test_somebody_registers_and_logs_in(client: FlaskClient, mail: MailServer) -> None:
    assert request_code(client, "register", "New@Example.org") == {"expires_in": 600}
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
    shown = client.get("/auth/me", headers=bearer(access)).json["data"]
    assert shown == user | {"referrals": 0}


def test_a_lost_password_is_set_anew_and_all_sessions_end(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    assert outcome(reset(client, code)) == (200, "ok")
    assert client.get("/auth/me", headers=bearer(tokens.access_token)).status_code == 401
    refreshed = client.post("/auth/refresh", json={"refresh_token": tokens.refresh_token})
    assert refreshed.status_code == 401
    assert identity.login("trader", NEW_PASSWORD, *NOWHERE).user.id == trader_id


def test_a_code_works_once(client: FlaskClient, mail: MailServer, trader_id: str) -> None:
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    assert reset(client, code).status_code == 200
    assert outcome(reset(client, code)) == (400, "invalid_code")


def test_a_code_is_for_its_address_and_purpose_only(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    viewer = identity.users.find_by_username("viewer")
    identity.users.change(viewer.id, UserChange(email="viewer@example.org"))
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    assert outcome(reset(client, code, email="viewer@example.org")) == (400, "invalid_code")
    assert outcome(register(client, code, email=EMAIL)) == (400, "invalid_code")
    assert reset(client, code).status_code == 200


def test_a_code_wears_off(client: FlaskClient, mail: MailServer, trader_id: str) -> None:
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    with time_machine.travel(time.time() + LIFETIME.total_seconds() + 1):
        assert outcome(reset(client, code)) == (400, "invalid_code")
    with time_machine.travel(time.time() + LIFETIME.total_seconds() - 10):
        assert reset(client, code).status_code == 200


def test_brute_force_ends_after_five_wrong_tries(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    for _ in range(MAX_ATTEMPTS):
        assert outcome(reset(client, wrong_code(code))) == (400, "invalid_code")
    assert outcome(reset(client, code)) == (400, "invalid_code")


def test_four_wrong_tries_leave_a_fifth(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    for _ in range(MAX_ATTEMPTS - 1):
        reset(client, wrong_code(code))
    assert reset(client, code).status_code == 200


def test_a_new_code_supersedes_the_old_one(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    request_code(client, "password-reset")
    mail.wait_for(1)
    request_code(client, "password-reset")
    first, second = (code_in(sent) for sent in mail.wait_for(2))
    if first != second:
        assert outcome(reset(client, first)) == (400, "invalid_code")
    assert reset(client, second).status_code == 200


def test_an_address_gets_a_few_mails_an_hour(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    for _ in range(MAX_PER_HOUR + 4):
        request_code(client, "password-reset")
    wait_for_mailer(mail, client)
    assert [sent["To"] for sent in mail.mails].count(EMAIL) == MAX_PER_HOUR
    with time_machine.travel(time.time() + 3601):
        request_code(client, "password-reset")
        mail.wait_for(MAX_PER_HOUR + 2)
    assert [sent["To"] for sent in mail.mails].count(EMAIL) == MAX_PER_HOUR + 1


def test_a_taken_name_leaves_the_code_good(client: FlaskClient, mail: MailServer) -> None:
    request_code(client, "register", "new@example.org")
    code = code_in(mail.wait_for(1)[0])
    assert outcome(register(client, code, username="TRADER")) == (409, "conflict")
    assert register(client, code).status_code == 201


def test_a_weak_password_leaves_the_code_good(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    request_code(client, "password-reset")
    code = code_in(mail.wait_for(1)[0])
    answer = reset(client, code, password="password123")
    assert outcome(answer) == (400, "validation_error")
    assert "guessed first" in answer.json["fields"][0]["message"]
    assert reset(client, code).status_code == 200
    request_code(client, "register", "new@example.org")
    code = code_in(mail.wait_for(2)[1])
    assert outcome(register(client, code, password="1234567890")) == (400, "validation_error")
    assert register(client, code).status_code == 201


def test_a_reset_leaves_the_second_factor_in_force(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    seed = identity.second_factors.enroll(trader_id, "trader").secret
    identity.second_factors.confirm(trader_id, pyotp.TOTP(seed).now())
    request_code(client, "password-reset")
    assert reset(client, code_in(mail.wait_for(1)[0])).status_code == 200
    answer = client.post("/auth/login", json={"username": "trader", "password": NEW_PASSWORD})
    assert outcome(answer) == (401, "second_factor_required")


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
