"""Strangers who ask for codes and try wrong ones; the owner resets the password all the same."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.identity import Identity
from backend.store.email_codes import MAX_ATTEMPTS, MAX_PER_HOUR, MAX_PER_HOUR_OF_ALL
from tests.identity.email_codes.code_client import EMAIL, NEW_PASSWORD, wait_for_mailer, wrong_code
from tests.identity.email_codes.mail_server import MailServer, code_in
from tests.identity_app import PASSWORD

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd"),
    pytest.mark.usefixtures("trader_id"),
]

HOME = "198.51.100.7"


def ask(client: FlaskClient, address: str) -> None:
    origin = {"REMOTE_ADDR": address}
    answer = client.post("/auth/password-reset", json={"email": EMAIL}, environ_base=origin)
    assert answer.status_code == 202


def reset(client: FlaskClient, code: str, address: str) -> TestResponse:
    body = {"email": EMAIL, "code": code, "password": NEW_PASSWORD}
    origin = {"REMOTE_ADDR": address}
    return client.post("/auth/password-reset/complete", json=body, environ_base=origin)


def test_wrong_tries_from_elsewhere_leave_the_owner_theirs(
    client: FlaskClient, mail: MailServer
) -> None:
    ask(client, HOME)
    code = code_in(mail.wait_for(1)[0])
    for number in range(2 * MAX_ATTEMPTS):
        assert reset(client, wrong_code(code), f"203.0.113.{number}").status_code == 400
    assert reset(client, code, "203.0.113.99").status_code == 400
    assert reset(client, code, HOME).status_code == 200


def test_a_code_that_a_stranger_asks_for_does_not_supersede_the_owners(
    client: FlaskClient, mail: MailServer
) -> None:
    ask(client, HOME)
    code = code_in(mail.wait_for(1)[0])
    ask(client, "203.0.113.1")
    mail.wait_for(2)
    assert reset(client, code, HOME).status_code == 200


def test_a_code_works_in_another_network_than_it_was_asked_for_in(
    client: FlaskClient, mail: MailServer
) -> None:
    ask(client, HOME)
    assert reset(client, code_in(mail.wait_for(1)[0]), "192.0.2.50").status_code == 200


def test_strangers_get_few_mails_an_hour_and_a_known_network_its_own(
    client: FlaskClient, identity: Identity, mail: MailServer
) -> None:
    identity.login("trader", PASSWORD, HOME, "tests")
    for number in range(MAX_PER_HOUR_OF_ALL):
        for _ in range(2):
            ask(client, f"203.0.113.{number}")
    wait_for_mailer(mail, client)
    assert [sent["To"] for sent in mail.mails].count(EMAIL) == MAX_PER_HOUR_OF_ALL
    for _ in range(MAX_PER_HOUR + 2):
        ask(client, HOME)
    wait_for_mailer(mail, client)
    codes = [code_in(sent) for sent in mail.mails if sent["To"] == EMAIL]
    assert len(codes) == MAX_PER_HOUR_OF_ALL + MAX_PER_HOUR
    assert reset(client, codes[-1], HOME).status_code == 200


def test_the_network_of_a_reset_is_known_to_the_account(
    client: FlaskClient, identity: Identity, mail: MailServer
) -> None:
    assert identity.knows_network("trader", HOME) is False
    ask(client, HOME)
    reset(client, code_in(mail.wait_for(1)[0]), HOME)
    assert identity.knows_network("trader", HOME) is True
