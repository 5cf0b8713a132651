"""Routes of the caller's authenticator app."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import (
    allows_missing_second_factor,
    authenticated,
    current_principal,
    stepped_up,
)
from backend.middleware.login_limits import limited_proofs
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.auth import Code, Enrolment, RecoveryCodes, SecondFactorState
from backend.schemas.common import Envelope, Problem
from backend.services import services

second_factor = Blueprint("second_factor", __name__, url_prefix="/auth/second-factor")


@second_factor.post("")
@allows_missing_second_factor
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[Enrolment], HTTP_409=Problem), tags=["auth"])
def begin_second_factor() -> Envelope[Enrolment]:
    """Begin to set up a second factor: put the secret into an app, then confirm with its code."""
    principal = current_principal()
    begun = services().identity.second_factors.enroll(principal.user_id, principal.username)
    return Envelope(data=begun)


@second_factor.post("/confirm")
@allows_missing_second_factor
@api.validate(resp=Response(HTTP_200=Envelope[RecoveryCodes], HTTP_409=Problem), tags=["auth"])
@limited_proofs
def confirm_second_factor(json: Code) -> Envelope[RecoveryCodes]:
    """Put the second factor in force: logging in takes a code from now on.

    The answer is the only sight of ten recovery codes, for when the app is lost.
    """
    user_id = current_principal().user_id
    return Envelope(data=services().identity.second_factors.confirm(user_id, json.code))


@second_factor.delete("")
@authenticated
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SecondFactorState], HTTP_409=Problem), tags=["auth"])
def remove_second_factor() -> Envelope[SecondFactorState]:
    """Remove the app; passkeys stay, and the recovery codes go with the last second factor.

    Where the caller's role needs a second factor, the last one stays: 409 `last_second_factor`.
    """
    is_left = services().identity.second_factors.remove_app(current_principal().user_id)
    return Envelope(data=SecondFactorState(second_factor=is_left))
