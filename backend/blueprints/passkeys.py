"""Routes of the caller's passkeys."""

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
from backend.schemas.common import Envelope, Page, PageQuery, Problem
from backend.schemas.passkeys import (
    NewPasskey,
    Passkey,
    PasskeyChange,
    PasskeyRemoval,
    RegisteredPasskey,
)
from backend.schemas.webauthn import PasskeyCreationOptions, PasskeyRequestOptions
from backend.services import services

passkeys = Blueprint("passkeys", __name__, url_prefix="/auth")

_TAGS = ["passkeys"]


@passkeys.post("/passkeys/options")
@allows_missing_second_factor
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[PasskeyCreationOptions]), tags=_TAGS)
def begin_passkey() -> Envelope[PasskeyCreationOptions]:
    """Begin to set up a passkey: make one with these options, then send it to `/auth/passkeys`.

    The challenge works once, for this session, for five minutes.
    """
    return Envelope(data=services().identity.passkeys.creation_options(current_principal()))


@passkeys.post("/passkeys")
@allows_missing_second_factor
@stepped_up
@api.validate(resp=Response(HTTP_201=Envelope[RegisteredPasskey], HTTP_409=Problem), tags=_TAGS)
@limited_proofs
def register_passkey(json: NewPasskey) -> tuple[Envelope[RegisteredPasskey], int]:
    """Register a passkey: it is a second factor from now on, at logins and step-ups.

    With the first second factor the answer is the only sight of ten recovery codes.
    """
    made = services().identity.passkeys.register(current_principal(), json)
    return Envelope(data=made), 201


@passkeys.get("/passkeys")
@authenticated
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[Passkey]), tags=_TAGS)
def list_passkeys(query: PageQuery) -> Page[Passkey]:
    """List the caller's passkeys, the newest first."""
    return services().identity.passkeys.page(current_principal().user_id, query)


@passkeys.patch("/passkeys/<passkey_id>")
@authenticated
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[Passkey], HTTP_404=Problem), tags=_TAGS)
def rename_passkey(passkey_id: str, json: PasskeyChange) -> Envelope[Passkey]:
    """Rename one of the caller's passkeys."""
    user_id = current_principal().user_id
    return Envelope(data=services().identity.passkeys.rename(user_id, passkey_id, json.name))


@passkeys.delete("/passkeys/<passkey_id>")
@authenticated
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[PasskeyRemoval], HTTP_404=Problem, HTTP_409=Problem),
    tags=_TAGS,
)
def remove_passkey(passkey_id: str) -> Envelope[PasskeyRemoval]:
    """Remove one of the caller's passkeys; the last second factor takes the recovery codes along.

    Where the caller's role needs a second factor, the last one stays: 409 `last_second_factor`.
    """
    user_id = current_principal().user_id
    return Envelope(data=services().identity.passkeys.remove(user_id, passkey_id))


@passkeys.post("/step-up/options")
@allows_missing_second_factor
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[PasskeyRequestOptions], HTTP_409=Problem), tags=_TAGS)
def begin_step_up() -> Envelope[PasskeyRequestOptions]:
    """Ask for a challenge to step up with a passkey; it works once, for this session.

    It asks for the user's PIN or biometrics.
    """
    principal = current_principal()
    return Envelope(data=services().identity.passkeys.step_up_options(principal))
