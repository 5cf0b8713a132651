"""Models of the Web Authentication API, whose JSON has names in camelCase."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SecondFactorMethod = Literal["app", "passkey", "recovery_code"]

_BASE64URL = "^[A-Za-z0-9_-]+$"

CredentialId = Annotated[str, Field(min_length=1, max_length=1364, pattern=_BASE64URL)]
"""A credential's id as base64url, 1,023 bytes at most."""

Bytes = Annotated[str, Field(min_length=1, max_length=8192, pattern=_BASE64URL)]
"""Bytes as base64url without padding."""


class _Options(BaseModel):
    """Base of what the server sends."""

    model_config = ConfigDict(frozen=True)


class _FromBrowser(BaseModel):
    """Base of what a browser's `toJSON()` gives: members that the server does not use may come."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class KnownCredential(_Options):
    """A registered passkey, by its credential id."""

    id: str
    type: Literal["public-key"] = "public-key"
    transports: list[str] = []


class PasskeyRequestOptions(_Options):
    """For `navigator.credentials.get()`, by `PublicKeyCredential.parseRequestOptionsFromJSON`."""

    challenge: str
    timeout: int = Field(description="Milliseconds that the challenge works.")
    rpId: str
    allowCredentials: list[KnownCredential]
    userVerification: Literal["required", "preferred"]


class RelyingPartyEntity(_Options):
    """The server, as an authenticator shows it."""

    id: str
    name: str


class UserEntity(_Options):
    """The user, as an authenticator shows them."""

    id: str
    name: str
    displayName: str


class KeyType(_Options):
    """A kind of key that the server takes, by its COSE number."""

    type: Literal["public-key"] = "public-key"
    alg: int


class AuthenticatorSelection(_Options):
    """What an authenticator has to be able to do."""

    residentKey: Literal["preferred"] = "preferred"
    userVerification: Literal["required"] = "required"


class PasskeyCreationOptions(_Options):
    """For `navigator.credentials.create()`, by `parseCreationOptionsFromJSON`."""

    rp: RelyingPartyEntity
    user: UserEntity
    challenge: str
    pubKeyCredParams: list[KeyType]
    timeout: int = Field(description="Milliseconds that the challenge works.")
    excludeCredentials: list[KnownCredential]
    authenticatorSelection: AuthenticatorSelection = AuthenticatorSelection()
    attestation: Literal["none"] = "none"


class AttestationResponse(_FromBrowser):
    """Response of an authenticator that made a passkey."""

    clientDataJSON: Bytes
    attestationObject: Bytes
    transports: list[Annotated[str, Field(max_length=32)]] = Field([], max_length=10)


class CreatedCredential(_FromBrowser):
    """Result of `navigator.credentials.create()`, as its `toJSON()` gives it."""

    id: CredentialId
    rawId: CredentialId
    type: Literal["public-key"]
    response: AttestationResponse


class AssertionResponse(_FromBrowser):
    """Response of an authenticator that signed a challenge."""

    clientDataJSON: Bytes
    authenticatorData: Bytes
    signature: Bytes
    userHandle: Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9_-]*$")] | None = None


class PasskeyAssertion(_FromBrowser):
    """Result of `navigator.credentials.get()`, as its `toJSON()` gives it."""

    id: CredentialId
    rawId: CredentialId
    type: Literal["public-key"]
    response: AssertionResponse


class SecondFactorChoice(_Options):
    """Second factors that a user has set up: one of them goes with the password."""

    methods: list[SecondFactorMethod]
    passkey: PasskeyRequestOptions | None = Field(
        None, description="A challenge for the passkeys, where there are any."
    )
