"""Routes of the portfolio: balances, value and history."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.ports.serialized import SerializedResponse
from backend.schemas.accounting import HistoryQuery, PortfolioValue
from backend.schemas.common import Envelope, Page, Problem
from backend.schemas.portfolio import ExchangeBalances, Portfolio
from backend.services import services

portfolio = Blueprint("portfolio", __name__, url_prefix="/portfolio")


@portfolio.get("")
@requires("portfolio:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[Portfolio], HTTP_304=None, HTTP_503=Problem),
    tags=["portfolio"],
)
def get_portfolio() -> SerializedResponse:
    """Show the total value, its gain, and what each exchange holds."""
    return services().bridge.portfolio.summary()


@portfolio.get("/balance")
@requires("portfolio:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[list[ExchangeBalances]], HTTP_304=None, HTTP_503=Problem),
    tags=["portfolio"],
)
def list_balances() -> SerializedResponse:
    """List the amounts of each asset, without their worth."""
    return services().bridge.portfolio.balances()


@portfolio.get("/history")
@requires("portfolio:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[PortfolioValue], HTTP_503=Problem), tags=["portfolio"])
def list_portfolio_values(query: HistoryQuery) -> Page[PortfolioValue]:
    """List what the portfolio was worth, newest first: the last value of each interval.

    Values are kept every minute or so; after two days one of five minutes, after thirty days one
    of an hour. An interval without a value is left out.
    """
    return services().reports.portfolio_values(query)


@portfolio.post("/refresh")
@requires("portfolio:read")
@limited("config")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[Portfolio], HTTP_502=Problem, HTTP_503=Problem, HTTP_504=Problem
    ),
    tags=["portfolio"],
)
def refresh_portfolio() -> Envelope[Portfolio]:
    """Ask the exchanges for the balances and value them anew; paper balances are always true."""
    return Envelope(data=services().bridge.portfolio.reload())
