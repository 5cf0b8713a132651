"""Trades: what was executed."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi import api
from backend.schemas.common import Envelope, Page, Problem
from backend.schemas.prepared import Prepared
from backend.schemas.trades import Trade, TradeQuery
from backend.services import services

trades = Blueprint("trades", __name__, url_prefix="/trades")


@trades.get("/history")
@requires("trades:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Page[Trade], HTTP_304=None, HTTP_503=Problem),
    tags=["trades"],
)
def list_trades(query: TradeQuery) -> Prepared:
    """List trades, newest first."""
    return services().bridge.trades.page(query)


@trades.get("/<trade_id>")
@requires("trades:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[Trade], HTTP_404=Problem, HTTP_503=Problem),
    tags=["trades"],
)
def get_trade(trade_id: str) -> Envelope[Trade]:
    """Show one trade."""
    return Envelope(data=services().bridge.trades.get(trade_id))
