"""Models of signing in with an OpenID provider."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from backend.schemas.common import Model, RequestModel
from backend.schemas.webauthn import PasskeyAssertion

CodeChallenge = Annotated[
    str,
    Field(
        pattern="^[A-Za-z0-9_-]{43}$",
        description="SHA-256 of a random `code_verifier`, as base64url (RFC 7636).",
        examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
    ),
]


class SignInQuery(RequestModel):
    """How a browser begins to sign in."""

    return_to: str = Field(
        min_length=1,
        max_length=2000,
        description="Where the browser comes back to: one of `BACKEND_OIDC_RETURN_URLS`.",
        examples=["https://app.example.org/signed-in"],
    )
    code_challenge: CodeChallenge
    reauthenticate: bool = Field(
        False, description="Have the provider ask for the password again, for a step-up."
    )


class CallbackQuery(RequestModel):
    """Provider's answer, which the browser brings; further parameters are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: str = Field(min_length=1, max_length=200)
    code: str | None = Field(None, min_length=1, max_length=4096)
    error: str | None = Field(None, max_length=200)
    iss: str | None = Field(None, max_length=255)


class SignInNonce(Model):
    """Nonce that an app's ID token has to hold."""

    nonce: str
    expires_in: int = Field(description="Seconds that it works.")


class IdTokenSignIn(RequestModel):
    """ID token that an app got from the provider, with a nonce of this server."""

    id_token: str = Field(min_length=1, max_length=8192)
    nonce: str = Field(min_length=1, max_length=64)


class SignInCode(Model):
    """Code to be exchanged for tokens."""

    sign_in_code: str
    expires_in: int = Field(description="Seconds that it works.")


class SignIn(RequestModel):
    """Code of a sign-in, and what shows that it is the client's own."""

    sign_in_code: str = Field(min_length=1, max_length=100)
    code_verifier: str | None = Field(
        None,
        min_length=43,
        max_length=128,
        pattern="^[A-Za-z0-9._~-]+$",
        description="The one whose challenge the sign-in began with; not after an ID token.",
    )
    code: str | None = Field(
        None, min_length=6, max_length=32, description="Of the second factor, where it is in force."
    )
    passkey: PasskeyAssertion | None = None
