"""Registering, listing, renaming and removing passkeys."""

from __future__ import annotations

import time

import pytest
import time_machine
from flask.testing import FlaskClient

from backend.errors import PasskeysOff
from backend.identity import Identity
from backend.identity.service import STEP_UP_S
from backend.schemas.auth import Tokens
from backend.store.passkeys import LIFETIME, MOST_PER_USER
from tests.identity.passkeys.owner import Owner
from tests.identity.passkeys.software_authenticator import (
    EDDSA,
    ES256,
    PRESENT,
    SoftwareAuthenticator,
    encode,
)
from tests.identity.second_factor.authenticator import outcome
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity


@pytest.fixture
def newcomer(client: FlaskClient, tokens: Tokens) -> Owner:
    return Owner(client, "trader", tokens.access_token)


def refusal(answer) -> tuple[int, str, str]:
    problem = answer.json
    return answer.status_code, problem["fields"][0]["field"], problem["fields"][0]["message"]


def test_the_options_are_those_of_this_server_and_user(newcomer: Owner, tokens: Tokens) -> None:
    options = newcomer.begin()
    assert options["rp"] == {"id": "localhost", "name": "OctoBot"}
    assert options["user"] == {
        "id": encode(tokens.user.id.encode()),
        "name": "trader",
        "displayName": "trader",
    }
    assert (options["attestation"], options["timeout"]) == ("none", 300_000)
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [kind["alg"] for kind in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert options["challenge"] != newcomer.begin()["challenge"]


@pytest.mark.parametrize("algorithm", [ES256, EDDSA])
def test_the_first_passkey_comes_with_recovery_codes(newcomer: Owner, algorithm: int) -> None:
    shown = newcomer.add(SoftwareAuthenticator(algorithm), "my phone")
    assert (shown["name"], shown["backed_up"], shown["last_used_at"]) == ("my phone", False, None)
    assert len(set(newcomer.recovery)) == 10
    assert newcomer.passkeys() == [shown]
    me = newcomer.client.get("/auth/me", headers=newcomer.headers).json["data"]
    assert me["second_factor"] is True
    excluded = newcomer.begin()["excludeCredentials"]
    assert excluded == [{"id": newcomer.key.id, "type": "public-key", "transports": ["internal"]}]
    second = newcomer.register(SoftwareAuthenticator().make(newcomer.begin()))
    assert second.json["data"]["recovery_codes"] is None


def test_a_passkey_is_registered_once_whoever_tries(owner: Owner, viewer: Owner) -> None:
    for user in (owner, viewer):
        again = user.register(owner.key.make(user.begin()))
        assert outcome(again) == (409, "conflict")
    assert viewer.log_in().status_code == 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": "http://evil.example"}, "whose origin this server does not accept"),
        ({"origin": "http://localhost:8001"}, "whose origin this server does not accept"),
        ({"rp_id": "evil.example"}, "cannot be read, or does not verify"),
        ({"fmt": "android-safetynet", "attStmt": {"ver": "1"}}, "has an attestation"),
        ({"fmt": "packed", "attStmt": {"x5c": [b"0"]}}, "has an attestation"),
        ({"fmt": "packed", "attStmt": {"alg": -7, "sig": b"0"}}, "does not verify"),
        ({"fmt": 7}, "has an attestation"),
        ({"authData": b"\xff" * 400}, "cannot be read"),
    ],
)
def test_a_response_that_does_not_fit_is_refused(
    newcomer: Owner, changes: dict[str, object], message: str
) -> None:
    answer = newcomer.register(SoftwareAuthenticator().make(newcomer.begin(), **changes))
    status, field, text = refusal(answer)
    assert (status, field) == (400, "credential")
    assert message in text
    assert newcomer.passkeys() == []
    assert newcomer.log_in().status_code == 200


def test_the_user_has_to_be_verified(newcomer: Owner) -> None:
    key = SoftwareAuthenticator()
    key.flags = PRESENT
    assert "without verifying the user" in refusal(newcomer.register(key.make(newcomer.begin())))[2]


def test_a_challenge_works_once(newcomer: Owner) -> None:
    options = newcomer.begin()
    wrong = SoftwareAuthenticator().make(options, rp_id="evil.example")
    assert newcomer.register(wrong).status_code == 400
    right = SoftwareAuthenticator().make(options)
    assert "answers no challenge" in refusal(newcomer.register(right))[2]


def test_a_challenge_is_bound_to_its_user_and_session(
    newcomer: Owner, viewer: Owner, identity: Identity
) -> None:
    elsewhere = Owner(
        newcomer.client, "trader", identity.login("trader", PASSWORD, *NOWHERE).access_token
    )
    made = SoftwareAuthenticator().make(newcomer.begin())
    for other in (viewer, elsewhere):
        assert "answers no challenge" in refusal(other.register(made))[2]
    assert newcomer.register(made).status_code == 201


def test_a_challenge_wears_off(newcomer: Owner) -> None:
    made = SoftwareAuthenticator().make(newcomer.begin())
    with time_machine.travel(time.time() + min(LIFETIME.total_seconds(), STEP_UP_S) - 5):
        challenge = newcomer.begin()
    assert challenge
    with time_machine.travel(time.time() + LIFETIME.total_seconds() + 1):
        late = newcomer.client.post(
            "/auth/step-up", json={"password": PASSWORD}, headers=newcomer.headers
        )
        newcomer.headers = {"Authorization": f"Bearer {late.json['data']['access_token']}"}
        assert "answers no challenge" in refusal(newcomer.register(made))[2]


def test_it_takes_a_step_up(newcomer: Owner, identity: Identity, tokens: Tokens) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    stale = Owner(newcomer.client, "trader", renewed.access_token)
    refused = stale.client.post("/auth/passkeys/options", headers=stale.headers)
    assert outcome(refused) == (403, "step_up_required")
    assert outcome(stale.register(SoftwareAuthenticator().make(newcomer.begin()))) == (
        403,
        "step_up_required",
    )


def test_a_passkey_is_renamed_and_removed_by_its_owner_alone(owner: Owner, viewer: Owner) -> None:
    passkey = owner.passkeys()[0]["id"]
    path, body = f"/auth/passkeys/{passkey}", {"name": "old phone"}
    assert viewer.client.patch(path, json=body, headers=viewer.headers).status_code == 404
    assert viewer.remove(passkey).status_code == 404
    renamed = owner.client.patch(path, json=body, headers=owner.headers)
    assert renamed.json["data"]["name"] == "old phone"
    assert [one["name"] for one in owner.passkeys()] == ["old phone"]
    assert owner.remove(passkey).json["data"] == {"id": passkey, "second_factor": False}
    assert owner.remove(passkey).status_code == 404
    assert owner.log_in().status_code == 200
    assert owner.log_in(code=owner.recovery[0]).status_code == 200


def test_a_user_has_so_many(owner: Owner) -> None:
    for _ in range(MOST_PER_USER - 1):
        owner.add()
    one_more = owner.register(SoftwareAuthenticator().make(owner.begin()))
    assert outcome(one_more) == (409, "conflict")
    assert len(owner.passkeys()) == MOST_PER_USER


def test_an_admin_removes_those_of_a_user_who_lost_everything(
    owner: Owner, identity: Identity, tokens: Tokens
) -> None:
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    headers = {"Authorization": f"Bearer {admin.access_token}"}
    path = f"/users/{tokens.user.id}/second-factor"
    assert owner.client.delete(path, headers=headers).status_code == 200
    assert owner.passkeys() == []
    assert owner.log_in().status_code == 200


def test_production_without_a_domain_has_none(
    start_identity: StartIdentity, tokens: Tokens, owner: Owner
) -> None:
    production = start_identity(env="production")
    principal = production.verify_access_token(tokens.access_token)
    with pytest.raises(PasskeysOff, match="BACKEND_PASSKEY_RP_ID"):
        production.passkeys.creation_options(principal)
    assert production.passkeys.login_options(tokens.user.id) is None
    named = start_identity(env="production", passkey_rp_id="example.org")
    assert named.passkeys.creation_options(principal).rp.id == "example.org"
