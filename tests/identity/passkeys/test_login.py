"""Passkeys as a second factor at logins, and beside the authenticator app."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.errors import ApiError
from backend.identity import Identity
from backend.middleware.audit import Audit
from backend.schemas.webauthn import PasskeyAssertion
from tests.identity.passkeys.owner import Owner
from tests.identity.passkeys.software_authenticator import (
    EDDSA,
    ES256,
    PRESENT,
    SoftwareAuthenticator,
)
from tests.identity.second_factor.authenticator import Authenticator, outcome
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity


@pytest.mark.parametrize("algorithm", [ES256, EDDSA])
def test_a_login_takes_password_and_passkey(viewer: Owner, algorithm: int) -> None:
    viewer.add(SoftwareAuthenticator(algorithm))
    choice = viewer.log_in().json["second_factor"]
    assert choice["methods"] == ["passkey", "recovery_code"]
    assert choice["passkey"]["allowCredentials"][0]["id"] == viewer.key.id
    answer = viewer.log_in(passkey=viewer.key.sign(choice["passkey"]))
    assert answer.json["data"]["user"]["username"] == "viewer"
    assert viewer.passkeys()[0]["last_used_at"] is not None


def test_without_the_password_there_is_no_challenge(owner: Owner) -> None:
    body = {"username": "trader", "password": "wrong"}
    signed = owner.key.sign(owner.login_options())
    for proof in ({}, {"passkey": signed}):
        answer = owner.client.post("/auth/login", json=body | proof)
        assert outcome(answer) == (401, "invalid_credentials")
        assert "second_factor" not in answer.json
    assert owner.log_in(passkey=signed).status_code == 200


def test_an_assertion_works_once(owner: Owner) -> None:
    signed = owner.key.sign(owner.login_options())
    assert owner.log_in(passkey=signed).status_code == 200
    again = owner.log_in(passkey=signed)
    assert outcome(again) == (401, "wrong_passkey")
    assert "answers no challenge" in again.json["details"]


def test_of_many_who_send_one_assertion_at_once_one_gets_in(
    owner: Owner, identity: Identity
) -> None:
    signed = PasskeyAssertion.model_validate(owner.key.sign(owner.login_options()))
    barrier = threading.Barrier(5)
    outcomes: list[str] = []

    def send() -> None:
        barrier.wait()
        try:
            identity.login("trader", PASSWORD, *NOWHERE, passkey=signed)
        except ApiError as error:
            outcomes.append(error.type)
        else:
            outcomes.append("ok")

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ok", *["wrong_passkey"] * 4]


def test_another_process_takes_the_challenge(owner: Owner, start_identity: StartIdentity) -> None:
    signed = PasskeyAssertion.model_validate(owner.key.sign(owner.login_options()))
    tokens = start_identity().login("trader", PASSWORD, *NOWHERE, passkey=signed)
    assert tokens.user.username == "trader"


@pytest.mark.parametrize(
    ("origin", "party", "message"),
    [
        ("http://evil.example", None, "origin"),
        ("https://localhost.evil.example", None, "origin"),
        ("http://localhost:8000", "evil.example", "does not verify"),
    ],
)
def test_an_assertion_from_elsewhere_is_refused(
    owner: Owner, origin: str, party: str | None, message: str
) -> None:
    answer = owner.log_in(passkey=owner.key.sign(owner.login_options(), origin, party=party))
    assert outcome(answer) == (401, "wrong_passkey")
    assert message in answer.json["details"]


def test_a_passkey_of_another_user_is_refused(owner: Owner, viewer: Owner) -> None:
    viewer.add()
    stolen = viewer.key.sign(owner.login_options())
    answer = owner.log_in(passkey=stolen)
    assert outcome(answer) == (401, "wrong_passkey")
    assert "not registered for this user" in answer.json["details"]
    # nor does the challenge of one serve the other
    answer = viewer.log_in(passkey=viewer.key.sign(owner.login_options()))
    assert outcome(answer) == (401, "wrong_passkey")


def test_a_key_that_claims_anothers_id_is_refused(owner: Owner) -> None:
    impostor = SoftwareAuthenticator()
    impostor.credential_id, impostor.count = owner.key.credential_id, 100
    answer = owner.log_in(passkey=impostor.sign(owner.login_options()))
    assert outcome(answer) == (401, "wrong_passkey")
    assert owner.log_in(passkey=owner.key.sign(owner.login_options())).status_code == 200


def test_a_user_handle_of_another_is_refused(owner: Owner) -> None:
    signed = owner.key.sign(owner.login_options())
    signed["response"]["userHandle"] = "c29tZWJvZHk"
    assert outcome(owner.log_in(passkey=signed)) == (401, "wrong_passkey")


@pytest.mark.parametrize("steps_back", [1, 2])
def test_a_counter_that_does_not_grow_is_refused(owner: Owner, steps_back: int) -> None:
    assert owner.log_in(passkey=owner.key.sign(owner.login_options())).status_code == 200
    owner.key.count -= steps_back
    answer = owner.log_in(passkey=owner.key.sign(owner.login_options()))
    assert outcome(answer) == (401, "wrong_passkey")
    assert "copied" in answer.json["details"]


def test_a_passkey_that_does_not_count_works(viewer: Owner) -> None:
    viewer.add(SoftwareAuthenticator(counts=False))
    for _ in range(2):
        signed = viewer.key.sign(viewer.login_options())
        assert viewer.log_in(passkey=signed).status_code == 200


def test_a_login_takes_one_without_verifying_the_user(owner: Owner) -> None:
    owner.key.flags = PRESENT
    assert owner.log_in(passkey=owner.key.sign(owner.login_options())).status_code == 200
    owner.key.flags = 0
    answer = owner.log_in(passkey=owner.key.sign(owner.login_options()))
    assert outcome(answer) == (401, "wrong_passkey")


def test_recovery_codes_work_once_each_without_an_app(owner: Owner) -> None:
    assert owner.log_in(code=owner.recovery[0]).status_code == 200
    assert outcome(owner.log_in(code=owner.recovery[0])) == (401, "wrong_code")
    assert outcome(owner.log_in(code="000000")) == (401, "wrong_code")


def test_a_seed_that_was_not_confirmed_is_no_second_factor(owner: Owner) -> None:
    import pyotp

    begun = owner.client.post("/auth/second-factor", headers=owner.headers).json["data"]
    code = pyotp.TOTP(begun["secret"]).now()
    assert outcome(owner.log_in(code=code)) == (401, "wrong_code")
    assert owner.log_in(code=owner.recovery[1]).status_code == 200


def test_app_and_passkey_stand_beside_each_other(client: FlaskClient, identity: Identity) -> None:
    tokens = identity.login("viewer", PASSWORD, *NOWHERE)
    owner = Owner(client, "viewer", tokens.access_token)
    owner.add()
    old = owner.recovery[0]
    app = Authenticator(client, tokens)
    choice = owner.log_in().json["second_factor"]
    assert choice["methods"] == ["app", "passkey", "recovery_code"]
    assert owner.log_in(passkey=owner.key.sign(choice["passkey"])).status_code == 200
    assert outcome(owner.log_in(code=old)) == (401, "wrong_code")
    assert owner.log_in(code=app.recovery[0]).status_code == 200
    removed = client.delete("/auth/second-factor", headers=owner.headers)
    assert removed.json["data"] == {"second_factor": True}
    assert owner.log_in().json["second_factor"]["methods"] == ["passkey", "recovery_code"]
    assert owner.log_in(code=app.recovery[1]).status_code == 200


def test_where_the_role_demands_one_the_last_stays(
    app: Flask, client: FlaskClient, identity: Identity, start_identity: StartIdentity
) -> None:
    strict = start_identity(require_second_factor=("trader",))
    from dataclasses import replace

    from backend.services import install_services, services_of

    install_services(app, replace(services_of(app), identity=strict))
    tokens = strict.login("trader", PASSWORD, *NOWHERE)
    owner = Owner(client, "trader", tokens.access_token)
    refused = client.get("/auth/passkeys", headers=owner.headers)
    assert outcome(refused) == (403, "second_factor_enrolment_required")
    first = owner.add()
    second = owner.add(name="key")
    assert owner.remove(first["id"]).json["data"]["second_factor"] is True
    assert outcome(owner.remove(second["id"])) == (409, "last_second_factor")
    Authenticator(client, tokens)
    assert owner.remove(second["id"]).json["data"]["second_factor"] is True
    last = client.delete("/auth/second-factor", headers=owner.headers)
    assert outcome(last) == (409, "last_second_factor")


def test_the_audit_tells_of_it(owner: Owner, recorder: Audit, identity: Identity) -> None:
    owner.log_in(passkey=owner.key.sign(owner.login_options(), "http://evil.example"))
    owner.remove(owner.passkeys()[0]["id"])
    assert recorder.flush()
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    rows = owner.client.get(
        "/audit", headers={"Authorization": f"Bearer {admin.access_token}"}
    ).json["data"]
    told = [(row["action"], row["outcome"], row["username"]) for row in rows]
    assert told[:2] == [
        ("passkeys.remove_passkey", "ok", "trader"),
        ("auth.login", "wrong_passkey", "trader"),
    ]
    assert ("passkeys.register_passkey", "ok", "trader") in told
