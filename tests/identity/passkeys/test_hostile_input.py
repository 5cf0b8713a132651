"""Responses that no authenticator sends: each is refused with a 400 or 401, and changes nothing."""

from __future__ import annotations

import copy
import random
from typing import Any

import cbor2
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings, strategies
from pydantic import ValidationError

from backend.identity.relying_party import RelyingParty
from backend.identity.webauthn_responses import (
    WrongResponse,
    challenge_of,
    verify_assertion,
    verify_registration,
)
from backend.schemas.webauthn import CreatedCredential, PasskeyAssertion
from tests.identity.passkeys.owner import Owner
from tests.identity.passkeys.software_authenticator import (
    SoftwareAuthenticator,
    client_data,
    decode,
    encode,
)

PARTY = RelyingParty("localhost", ("http://localhost:8000",))
CHALLENGE = encode(b"c" * 32)
HOSTILE: list[Any] = [
    *(None, 7, True, [], {}, "", "=", "ä", "a b", "\x00", "A" * 8193, "A" * 1_000_000),
]
NESTED = b"\x81" * 4000 + b"\x00"
HUGE_LENGTHS = [
    b"\x5b" + b"\xff" * 8,
    b"\x9b" + b"\xff" * 8,
    b"\xbb" + b"\xff" * 8,
    b"\x5f",
    b"\x9f",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "name", ["clientDataJSON", "authenticatorData", "signature", "id", "rawId", "type", "response"]
)
def test_a_field_of_an_assertion_that_is_no_base64url(
    owner: Owner, name: str, value: object
) -> None:
    signed = owner.key.sign(owner.login_options())
    place = signed if name in signed else signed["response"]
    place[name] = value
    answer = owner.log_in(passkey=signed)
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert answer.json["fields"][0]["field"].startswith("passkey.")
    assert len(answer.data) < 4000


def test_code_and_passkey_in_one_login_count_as_the_passkey(owner: Owner) -> None:
    signed = owner.key.sign(owner.login_options(), "http://evil.example")
    answer = owner.log_in(passkey=signed, code=owner.recovery[0])
    assert answer.json["type"] == "wrong_passkey"
    assert owner.log_in(code=owner.recovery[0]).status_code == 200


@pytest.mark.parametrize("content", [NESTED, *HUGE_LENGTHS, b"", b"\xff", b"\xa0", b"\xf6"])
def test_cbor_that_is_deep_huge_or_broken(
    client: FlaskClient, viewer: Owner, content: bytes
) -> None:
    made = SoftwareAuthenticator().make(viewer.begin())
    made["response"]["attestationObject"] = encode(content or b"\x00")
    answer = viewer.register(made)
    assert (answer.status_code, answer.json["fields"][0]["field"]) == (400, "credential")


@pytest.mark.parametrize(
    "cose",
    [
        {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32},  # not on the curve
        {1: 2, 3: -7, -1: 2, -2: b"\x01" * 48, -3: b"\x02" * 48},
        {1: 2, 3: -35, -1: 2, -2: b"\x01" * 48, -3: b"\x02" * 48},
        {1: 1, 3: -8, -1: 6, -2: b"\x01"},
        {1: 3, 3: -257, -1: b"\x03", -2: b"\x03"},
        {1: 3, 3: -257, -1: b"\xff" * 3000, -2: b"\x01\x00\x01"},
        {1: 2, 3: -7},
        {},
    ],
)
def test_public_keys_that_are_none(viewer: Owner, cose: dict[int, Any]) -> None:
    key = SoftwareAuthenticator()
    key._cose_key = lambda: cose  # type: ignore[method-assign]
    answer = viewer.register(key.make(viewer.begin()))
    assert (answer.status_code, answer.json["fields"][0]["field"]) == (400, "credential")
    assert viewer.log_in().status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        b"[]",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"[" * 4000,
        b'{"type": 1, "challenge": 1, "origin": 1}',
        b'{"type": "webauthn.get", "challenge": null, "origin": ["http://localhost:8000"]}',
        b'{"type": "webauthn.get", "challenge": {"a": 1}, "origin": "http://localhost:8000"}',
        client_data("webauthn.create", CHALLENGE),
        client_data("webauthn.get", CHALLENGE),
    ],
)
def test_client_data_that_no_browser_sends(owner: Owner, shown: bytes) -> None:
    signed = owner.key.sign(owner.login_options())
    signed["response"]["clientDataJSON"] = encode(shown)
    assert owner.log_in(passkey=signed).json["type"] == "wrong_passkey"


def test_random_changes_of_single_bytes_never_verify() -> None:
    random.seed(7)
    key = SoftwareAuthenticator()
    signed = key.sign({"challenge": CHALLENGE, "rpId": "localhost"})
    public = cbor2.dumps(key._cose_key())
    assert verify(signed, public) == key.count
    for _ in range(300):
        name = random.choice(["clientDataJSON", "authenticatorData", "signature"])
        changed = copy.deepcopy(signed)
        content = bytearray(decode(changed["response"][name]))
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        changed["response"][name] = encode(bytes(content))
        with pytest.raises(WrongResponse):
            verify(changed, public)


def verify(assertion: dict[str, Any], public_key: bytes) -> int:
    read = PasskeyAssertion.model_validate(assertion)
    return verify_assertion(
        read, challenge_of(read, PARTY), PARTY, public_key, require_user_verification=True
    )


@given(strategies.binary(min_size=1, max_size=300), strategies.binary(min_size=1, max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_refused_in_order(content: bytes, more: bytes) -> None:
    key = SoftwareAuthenticator()
    public = cbor2.dumps(key._cose_key())
    shown = encode(client_data("webauthn.create", CHALLENGE))
    response = {"clientDataJSON": shown, "attestationObject": encode(content)}
    made = {"id": key.id, "rawId": key.id, "type": "public-key", "response": response}
    with pytest.raises((WrongResponse, ValidationError)):
        verify_registration(CreatedCredential.model_validate(made), b"c" * 32, PARTY)
    response = {
        "clientDataJSON": encode(client_data("webauthn.get", CHALLENGE)),
        "authenticatorData": encode(content),
        "signature": encode(more),
    }
    signed = {"id": key.id, "rawId": key.id, "type": "public-key", "response": response}
    with pytest.raises((WrongResponse, ValidationError)):
        verify(signed, public)
