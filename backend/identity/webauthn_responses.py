"""Reading and verification of WebAuthn responses, by the library `webauthn`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import (
    base64url_to_bytes,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
    parse_client_data_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException

from backend.identity.relying_party import RelyingParty
from backend.schemas.webauthn import CreatedCredential, PasskeyAssertion

P = ParamSpec("P")
T = TypeVar("T")

ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 4096
# what the library lets through of hostile JSON, base64, CBOR and keys, beside its own errors
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError),
    *(MemoryError, InvalidSignature, UnsupportedAlgorithm, WebAuthnException),
)


class WrongResponse(Exception):
    """A WebAuthn response is unreadable or does not verify; the text may be shown."""


class Registration(NamedTuple):
    """Verified new credential."""

    credential_id: str
    public_key: bytes
    sign_count: int
    backed_up: bool


def _readable(function: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except _UNREADABLE:
            # the library's texts repeat what the client sent
            raise WrongResponse("cannot be read, or does not verify") from None

    return checked


@_readable
def challenge_of(credential: CreatedCredential | PasskeyAssertion, party: RelyingParty) -> bytes:
    """Return the challenge that a response claims to answer.

    Raises `WrongResponse`, also for one from another origin than the relying party's.
    """
    client_data = parse_client_data_json(base64url_to_bytes(credential.response.clientDataJSON))
    if client_data.origin not in party.origins:
        raise WrongResponse("comes from a page or app whose origin this server does not accept")
    return client_data.challenge


@_readable
def verify_registration(
    credential: CreatedCredential, challenge: bytes, party: RelyingParty
) -> Registration:
    """Verify a new credential; raises `WrongResponse`.

    Attestations are not asked for: a certificate that comes all the same is refused unread.
    """
    content = base64url_to_bytes(credential.response.attestationObject)
    attestation = parse_attestation_object(content)
    if attestation.fmt not in ("none", "packed") or attestation.att_stmt.x5c:
        raise WrongResponse("has an attestation, which was not asked for")
    if not attestation.auth_data.flags.uv:
        raise WrongResponse("was made without verifying the user, by a PIN or biometrics")
    verified = verify_registration_response(
        credential=credential.model_dump(),
        expected_challenge=challenge,
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        require_user_verification=True,
        supported_pub_key_algs=ALGORITHMS,
    )
    if verified.credential_id != base64url_to_bytes(credential.rawId):
        raise WrongResponse("has an id other than its key's")
    _check_key(verified.credential_public_key)
    return Registration(
        credential.id,
        verified.credential_public_key,
        verified.sign_count,
        verified.credential_backed_up,
    )


def _check_key(cose_key: bytes) -> None:
    """Refuse keys that no signature could be verified with, that are weak, or that cost much."""
    key = decoded_public_key_to_cryptography(decode_credential_public_key(cose_key))
    if isinstance(key, RSAPublicKey) and not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        raise WrongResponse(f"has an RSA key of {key.key_size} bits")
    if isinstance(key, EllipticCurvePublicKey) and not isinstance(key.curve, SECP256R1):
        raise WrongResponse("has a key on another curve than P-256")


@_readable
def verify_assertion(
    assertion: PasskeyAssertion,
    challenge: bytes,
    party: RelyingParty,
    public_key: bytes,
    *,
    require_user_verification: bool,
) -> int:
    """Return the counter of an assertion that a public key verifies; raises `WrongResponse`.

    Whether the counter grew is left to the caller.
    """
    verified = verify_authentication_response(
        credential=assertion.model_dump(),
        expected_challenge=challenge,
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        credential_public_key=public_key,
        credential_current_sign_count=0,
        require_user_verification=require_user_verification,
    )
    return verified.new_sign_count
