"""Registration with a referral code: counted for the inviter, and no way to guess codes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.settings.model import Settings
from backend.store.email_codes import MAX_ATTEMPTS
from tests.databases import Cluster, make_settings
from tests.identity.email_codes.code_client import outcome, register, request_code, wrong_code
from tests.identity.email_codes.mail_server import MailServer, code_in
from tests.identity_app import NOWHERE, PASSWORD, bearer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")

UNKNOWN = "zzzz9999zzzz"


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    if request.param == "sqlite":
        return settings
    cluster: Cluster = request.getfixturevalue("cluster")
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return make_settings(**given | {"database_url": cluster.create_migrated()})


@pytest.fixture
def code(client: FlaskClient, mail: MailServer) -> Iterator[str]:
    """The code that was mailed to new@example.org."""
    request_code(client, "register", "new@example.org")
    return code_in(mail.wait_for(1)[0])


def headers_of(identity: Identity, username: str) -> dict[str, str]:
    return bearer(identity.login(username, PASSWORD, *NOWHERE).access_token)


def referral_code_of(identity: Identity, username: str) -> str:
    return identity.users.find_by_username(username).referral_code


def test_who_registers_with_a_code_is_counted_for_its_user(
    client: FlaskClient, identity: Identity, code: str
) -> None:
    inviter = identity.users.find_by_username("trader")
    headers = headers_of(identity, "trader")
    answer = register(
        client,
        code,
        referral_code=inviter.referral_code.upper(),
        name="Ada Lovelace",
        phone="+493012345678",
    )
    created = answer.json["data"]
    assert (answer.status_code, created["invited_by"]) == (201, inviter.id)
    assert (created["name"], created["phone"]) == ("Ada Lovelace", "+493012345678")
    assert created["referral_code"] != inviter.referral_code
    assert client.get("/auth/me", headers=headers).json["data"]["referrals"] == 1
    admin = headers_of(identity, "admin")
    path = f"/users/{inviter.id}/referrals"
    listed = client.get(path, headers=admin).json
    assert [user["username"] for user in listed["data"]] == ["new"]
    assert client.get(f"/users/{created['id']}/referrals", headers=admin).json["data"] == []
    assert client.get("/users/nobody/referrals", headers=admin).status_code == 404
    assert client.get(path, headers=headers).status_code == 403


def test_without_a_code_nobody_invited_them(client: FlaskClient, code: str) -> None:
    assert register(client, code).json["data"]["invited_by"] is None


@pytest.mark.parametrize("disabled", [False, True])
def test_an_unknown_code_is_told_and_the_registration_can_go_on(
    client: FlaskClient, identity: Identity, code: str, disabled: bool
) -> None:
    referral_code = UNKNOWN
    if disabled:
        viewer = identity.users.find_by_username("viewer")
        identity.users.change(viewer.id, UserChange(disabled=True))
        referral_code = viewer.referral_code
    refused = register(client, code, referral_code=referral_code)
    assert outcome(refused) == (422, "unknown_referral_code")
    assert refused.json["fields"] == [
        {"field": "referral_code", "message": "no user has this code; leave it out or correct it"}
    ]
    known = referral_code_of(identity, "trader")
    assert register(client, code, referral_code=known).status_code == 201


@pytest.mark.parametrize("text", ["", "short", "abcd2345efg!", "abcd2345efghi", "äbcd2345efgh", 7])
def test_what_is_no_referral_code_is_named(client: FlaskClient, text: object) -> None:
    answer = register(client, "12345678", referral_code=text)
    assert outcome(answer) == (400, "validation_error")
    assert [item["field"] for item in answer.json["fields"]] == ["referral_code"]


def test_codes_cannot_be_guessed(client: FlaskClient, identity: Identity, code: str) -> None:
    for number in range(MAX_ATTEMPTS):
        guess = register(client, code, referral_code=f"{UNKNOWN[:-1]}{number + 2}")
        assert outcome(guess) == (422, "unknown_referral_code")
    known = referral_code_of(identity, "trader")
    assert outcome(register(client, code, referral_code=known)) == (400, "invalid_code")


def test_without_the_mailed_code_nothing_is_told_of_a_referral_code(
    client: FlaskClient, identity: Identity, code: str
) -> None:
    answers = [
        register(client, wrong_code(code), referral_code=referral_code)
        for referral_code in (UNKNOWN, referral_code_of(identity, "trader"))
    ]
    assert [outcome(answer) for answer in answers] == [(400, "invalid_code")] * 2


def test_a_deleted_inviter_leaves_the_invited(
    client: FlaskClient, identity: Identity, code: str
) -> None:
    known = referral_code_of(identity, "trader")
    created = register(client, code, referral_code=known).json["data"]
    identity.users.remove(created["invited_by"])
    assert identity.users.get(created["id"]).invited_by is None


def test_an_inviter_who_is_deleted_meanwhile_is_unknown_or_leaves_the_invited(
    client: FlaskClient, identity: Identity, code: str
) -> None:
    trader = identity.users.find_by_username("trader")
    barrier = threading.Barrier(2)

    def remove() -> None:
        barrier.wait()
        identity.users.remove(trader.id)

    remover = threading.Thread(target=remove)
    remover.start()
    barrier.wait()
    answer = register(client, code, referral_code=trader.referral_code)
    remover.join()
    assert outcome(answer) in {(201, "ok"), (422, "unknown_referral_code")}


def test_a_code_is_checked_without_being_used_up(client: FlaskClient, code: str) -> None:
    body = {"email": "new@example.org", "code": code}
    for _ in range(2):
        answer = client.post("/auth/register/verify", json=body)
        assert (answer.status_code, answer.json["data"]) == (200, {"valid": True})
    assert register(client, code).status_code == 201
    assert outcome(client.post("/auth/register/verify", json=body)) == (400, "invalid_code")


def test_checking_wrong_codes_counts_as_trying_them(client: FlaskClient, code: str) -> None:
    body = {"email": "new@example.org", "code": wrong_code(code)}
    for _ in range(MAX_ATTEMPTS):
        assert outcome(client.post("/auth/register/verify", json=body))[1] == "invalid_code"
    assert outcome(client.post("/auth/register/verify", json=body | {"code": code})) == (
        400,
        "invalid_code",
    )
    assert outcome(register(client, code)) == (400, "invalid_code")
