"""Routes of the risk limits for orders."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.common import Envelope, Problem
from backend.schemas.risk import Risk, RiskChange
from backend.services import services

risk = Blueprint("risk", __name__, url_prefix="/risk")


@risk.get("")
@requires("bot:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[Risk]), tags=["risk"])
def get_risk() -> Envelope[Risk]:
    """Show the risk limits in force, where each comes from, and the day's loss."""
    return Envelope(data=services().reports.risk())


@risk.patch("")
@requires("config:write")
@limited("brake")
@api.validate(resp=Response(HTTP_200=Envelope[Risk], HTTP_503=Problem), tags=["risk"])
def change_risk(json: RiskChange) -> Envelope[Risk]:
    """Change risk limits; null takes a change back, so that the setting counts again.

    Changes hold at once and after a restart. Orders that are open already stay.
    """
    return Envelope(data=services().reports.change_risk(json))
