"""What the account holds."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi import api
from backend.schemas.common import Envelope, Problem
from backend.schemas.portfolio import ExchangeBalances, Portfolio
from backend.schemas.prepared import Prepared
from backend.services import services

portfolio = Blueprint("portfolio", __name__, url_prefix="/portfolio")


@portfolio.get("")
@requires("portfolio:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[Portfolio], HTTP_304=None, HTTP_503=Problem),
    tags=["portfolio"],
)
def get_portfolio() -> Prepared:
    """Show the total value, its gain, and what each exchange holds."""
    return services().bridge.portfolio.summary()


@portfolio.get("/balance")
@requires("portfolio:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[list[ExchangeBalances]], HTTP_304=None, HTTP_503=Problem),
    tags=["portfolio"],
)
def list_balances() -> Prepared:
    """List the amounts of each asset, without their worth."""
    return services().bridge.portfolio.balances()
