"""Route of the server's root: the paths of the API, its documentation and the health checks."""

from __future__ import annotations

from flask import Blueprint, request
from spectree import Response

from backend.middleware.api_version import BASE
from backend.middleware.auth import public
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.bot import Entrances
from backend.schemas.common import Envelope
from backend.services import services

root = Blueprint("root", __name__)


@root.get("/")
@public
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[Entrances]), tags=["health"], security={})
def show_entrances() -> Envelope[Entrances]:
    """Tell where the API, its documentation and the health checks are."""
    at = request.script_root  # the path at which a proxy exposes this server
    return Envelope(
        data=Entrances(
            api=f"{at}{BASE}",
            contract=f"{at}/openapi.json",
            docs=f"{at}/docs" if services().settings.env == "development" else None,
            health=f"{at}/healthz",
            readiness=f"{at}/readyz",
        )
    )
