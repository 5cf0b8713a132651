"""Liveness and readiness routes, for load balancers and service managers."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.errors import BotNotReady
from backend.middleware.auth import public
from backend.openapi.validation import api
from backend.schemas.bot import Health, Readiness
from backend.schemas.common import Envelope, Problem
from backend.services import services

health = Blueprint("health", __name__)


@health.get("/healthz")
@public
@api.validate(resp=Response(HTTP_200=Envelope[Health]), tags=["health"])
def check_health() -> Envelope[Health]:
    """Tell that the process is up."""
    return Envelope(data=Health())


@health.get("/readyz")
@public
@api.validate(resp=Response(HTTP_200=Envelope[Readiness], HTTP_503=Problem), tags=["health"])
def check_readiness() -> Envelope[Readiness]:
    """Return whether bot, exchanges and database are ready; `details` of a 503 names why not."""
    readiness = services().bridge.readiness()
    if not readiness.ready:
        raise BotNotReady("; ".join(readiness.missing))
    return Envelope(data=readiness)
