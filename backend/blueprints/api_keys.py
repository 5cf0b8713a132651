"""Routes of the caller's API keys."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import authenticated, current_principal, stepped_up
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.api_keys import ApiKey, CreatedApiKey, NewApiKey, Revocation
from backend.schemas.common import Envelope, Page, PageQuery, Problem
from backend.services import services

api_keys = Blueprint("api_keys", __name__, url_prefix="/auth/api-keys")


@api_keys.get("")
@authenticated
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[ApiKey], HTTP_401=Problem), tags=["api keys"])
def list_api_keys(query: PageQuery) -> Page[ApiKey]:
    """List the caller's API keys, the newest first."""
    return services().identity.api_keys.page(current_principal().user_id, query)


@api_keys.post("")
@authenticated
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_201=Envelope[CreatedApiKey], HTTP_409=Problem), tags=["api keys"])
def create_api_key(json: NewApiKey) -> tuple[Envelope[CreatedApiKey], int]:
    """Make an API key for a script or an app; the answer is the only sight of it.

    It is sent as `X-API-Key`, and may do no more than its owner.
    """
    principal = current_principal()
    key = services().identity.api_keys.create(principal.user_id, principal.role, json)
    return Envelope(data=key), 201


@api_keys.delete("/<key_id>")
@authenticated
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[Revocation], HTTP_404=Problem), tags=["api keys"])
def revoke_api_key(key_id: str) -> Envelope[Revocation]:
    """Revoke one of the caller's API keys; it is of no use from then on."""
    services().identity.api_keys.revoke(current_principal().user_id, key_id)
    return Envelope(data=Revocation(id=key_id))
