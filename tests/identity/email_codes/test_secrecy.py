"""Responses do not reveal registered addresses, and codes are stored as hashes."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.store import Database
from backend.store.email_codes import MAX_ATTEMPTS
from tests.identity.email_codes.code_client import (
    EMAIL,
    NEW_PASSWORD,
    request_code,
    reset,
    wait_for_mailer,
    wrong_code,
)
from tests.identity.email_codes.mail_server import MailServer, code_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


def test_known_and_unknown_addresses_get_the_same_answers(
    client: FlaskClient, identity: Identity, mail: MailServer, trader_id: str
) -> None:
    def told(path: str, email: str, body: dict | None = None) -> list[tuple]:
        answers = [client.post(f"/auth/{path}", json={"email": email})]
        wait_for_mailer(mail, client)
        for _ in range(MAX_ATTEMPTS + 2):
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
        request_code(client, path)
        request_code(client, path, "nobody@example.org")
    wait_for_mailer(mail, client)
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
    request_code(client, "password-reset", "nobody@example.org")
    identity.users.change(trader_id, UserChange(disabled=True))
    request_code(client, "password-reset")
    wait_for_mailer(mail, client)
    assert [sent["To"] for sent in mail.mails if "flush" not in sent["To"]] == []


def test_who_has_an_account_is_told_so_by_mail_only(
    client: FlaskClient, mail: MailServer, trader_id: str
) -> None:
    request_code(client, "register")
    (sent,) = mail.wait_for(1)
    assert sent["Subject"] == "You have an account already"
    assert not any(word.isdigit() for word in sent.get_content().split())


def test_no_code_is_in_database_log_or_answer(
    client: FlaskClient, identity: Identity, database: Database, mail: MailServer, trader_id: str
) -> None:
    with capture_logs() as lines:
        request_code(client, "password-reset")
        code = code_in(mail.wait_for(1)[0])
        reset(client, wrong_code(code))
        assert reset(client, code).status_code == 200
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT digest FROM mailed_codes")).scalars().all()
    assert len(rows) == 1
    assert code not in str(lines)
    assert NEW_PASSWORD not in str(lines)
