"""Routes of registration and password reset by mailed codes."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import public
from backend.middleware.rate_limit import limited, remote_address
from backend.openapi.validation import api
from backend.schemas.auth import User
from backend.schemas.common import Envelope, Problem
from backend.schemas.registration import (
    CodeCheck,
    CodeSent,
    CodeValid,
    CodeWish,
    PasswordReset,
    PasswordWasReset,
    Registration,
)
from backend.services import services
from backend.store.email_codes import LIFETIME

mailed_codes = Blueprint("mailed_codes", __name__, url_prefix="/auth")

_SENDING = Response(HTTP_202=Envelope[CodeSent], HTTP_403=Problem, HTTP_503=Problem)
_SENT = CodeSent(expires_in=int(LIFETIME.total_seconds()))


@mailed_codes.post("/register")
@public
@limited("login")
@api.validate(resp=_SENDING, tags=["auth"], security={})
def ask_to_register(json: CodeWish) -> tuple[Envelope[CodeSent], int]:
    """Have a code sent to an address, to register with; where the server allows it.

    The answer is the same whether there is an account with the address or not.
    """
    services().identity.email_codes.send("register", json.email, remote_address())
    return Envelope(data=_SENT), 202


@mailed_codes.post("/register/verify")
@public
@limited("login")
@api.validate(
    resp=Response(HTTP_200=Envelope[CodeValid], HTTP_403=Problem), tags=["auth"], security={}
)
def verify_code(json: CodeCheck) -> Envelope[CodeValid]:
    """Check the code from the mail, before the rest of a registration is entered.

    It is not used up by this; a wrong one counts as a wrong try.
    """
    services().identity.email_codes.check(json, remote_address())
    return Envelope(data=CodeValid())


@mailed_codes.post("/register/complete")
@public
@limited("login")
@api.validate(
    resp=Response(HTTP_201=Envelope[User], HTTP_403=Problem, HTTP_409=Problem, HTTP_422=Problem),
    tags=["auth"],
    security={},
)
def register(json: Registration) -> tuple[Envelope[User], int]:
    """Register with the code from the mail; who registers is a viewer.

    A code works for ten minutes and takes five wrong tries from the network that asked for it. A
    referral code that nobody has is a 422 `unknown_referral_code`, and counts as a wrong try.
    """
    return Envelope(data=services().identity.email_codes.register(json, remote_address())), 201


@mailed_codes.post("/password-reset")
@public
@limited("login")
@api.validate(resp=_SENDING, tags=["auth"], security={})
def ask_to_reset_password(json: CodeWish) -> tuple[Envelope[CodeSent], int]:
    """Have a code sent to the address of an account whose password is lost.

    The answer is the same whether there is an account with the address or not.
    """
    services().identity.email_codes.send("reset", json.email, remote_address())
    return Envelope(data=_SENT), 202


@mailed_codes.post("/password-reset/complete")
@public
@limited("login")
@api.validate(resp=Response(HTTP_200=Envelope[PasswordWasReset]), tags=["auth"], security={})
def reset_password(json: PasswordReset) -> Envelope[PasswordWasReset]:
    """Set a new password with the code from the mail; all sessions end.

    A code works for ten minutes and takes five wrong tries from the network that asked for it.
    A second factor stays in force.
    """
    services().identity.email_codes.reset(json, remote_address())
    return Envelope(data=PasswordWasReset())
