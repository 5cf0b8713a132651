"""Passkeys at step-ups: the user verified, the challenge of this session."""

from __future__ import annotations

import pytest

from backend.identity import Identity
from tests.identity.passkeys.owner import Owner
from tests.identity.passkeys.software_authenticator import PRESENT
from tests.identity.second_factor.authenticator import outcome
from tests.identity_app import NOWHERE, PASSWORD


def field(answer) -> tuple[int, str]:
    return answer.status_code, answer.json["fields"][0]["field"]


def test_a_passkey_steps_up(owner: Owner, identity: Identity) -> None:
    options = owner.step_up_options()
    assert options["userVerification"] == "required"
    answer = owner.step_up(passkey=owner.key.sign(options))
    principal = identity.verify_access_token(answer.json["data"]["access_token"])
    assert identity.has_stepped_up(principal) is True


def test_the_password_is_not_enough(owner: Owner) -> None:
    assert field(owner.step_up(password=PASSWORD)) == (400, "code")
    assert owner.step_up(code=owner.recovery[0]).status_code == 200


def test_the_user_has_to_be_verified(owner: Owner) -> None:
    owner.key.flags = PRESENT
    answer = owner.step_up(passkey=owner.key.sign(owner.step_up_options()))
    assert field(answer) == (400, "passkey")


def test_an_assertion_of_another_session_or_purpose_is_refused(
    owner: Owner, identity: Identity
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE, owner.recovery[0])
    elsewhere = Owner(owner.client, "trader", tokens.access_token)
    signed = owner.key.sign(elsewhere.step_up_options())
    assert field(owner.step_up(passkey=signed)) == (400, "passkey")
    signed = owner.key.sign(owner.login_options())
    assert field(owner.step_up(passkey=signed)) == (400, "passkey")
    signed = owner.key.sign(owner.step_up_options())
    assert outcome(owner.log_in(passkey=signed)) == (401, "wrong_passkey")
    assert owner.step_up(passkey=signed).status_code == 200
    assert field(owner.step_up(passkey=signed)) == (400, "passkey")


def test_without_a_passkey_there_is_no_challenge(viewer: Owner) -> None:
    answer = viewer.client.post("/auth/step-up/options", headers=viewer.headers)
    assert outcome(answer) == (409, "conflict")


@pytest.mark.parametrize("steps_back", [1, 5])
def test_a_counter_set_back_is_refused(owner: Owner, steps_back: int) -> None:
    owner.key.count += 10
    assert owner.step_up(passkey=owner.key.sign(owner.step_up_options())).status_code == 200
    owner.key.count -= steps_back
    answer = owner.step_up(passkey=owner.key.sign(owner.step_up_options()))
    assert field(answer) == (400, "passkey")
    assert "copied" in answer.json["fields"][0]["message"]
