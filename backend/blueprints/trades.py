"""Routes of trades: list, export, profit and loss."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint
from flask import Response as Answer
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi.validation import also_produces, api
from backend.ports.serialized import SerializedResponse
from backend.schemas.accounting import Pnl, PnlQuery
from backend.schemas.common import Envelope, Page, Problem
from backend.schemas.trades import Trade, TradeQuery
from backend.services import services

trades = Blueprint("trades", __name__, url_prefix="/trades")

_CSV_HEADERS = {
    "Content-Type": "text/csv; charset=utf-8; header=present",
    "Content-Disposition": 'attachment; filename="trades.csv"',
}


@trades.get("/history")
@requires("trades:read")
@limited("query")
@also_produces("text/csv")
@api.validate(
    resp=Response(HTTP_200=Page[Trade], HTTP_304=None, HTTP_503=Problem),
    tags=["trades"],
)
def list_trades(query: TradeQuery) -> SerializedResponse | Answer:
    """List trades, newest first.

    `format=csv` sends all of them, from the cursor on, as one file with a header line. A text
    that a spreadsheet would take for a formula begins with an apostrophe there.
    """
    return _FORMATS[query.format](query)


@trades.get("/pnl")
@requires("trades:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[Pnl], HTTP_503=Problem), tags=["trades"])
def get_pnl(query: PnlQuery) -> Envelope[Pnl]:
    """Show profit and loss: realized and unrealized, first in first out per symbol.

    Fees are told by themselves, in their currency and in the reference market; they are no part
    of the PnL but of `net_pnl`. What was held before the first trade costs its price at the
    account's opening, and is sold last. An order that closes something is a win if it gains
    after fees. Linear contracts count like that too, short positions included; funding does not.
    """
    return Envelope(data=services().reports.pnl(query))


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


def _as_json(query: TradeQuery) -> SerializedResponse:
    return services().bridge.trades.page(query)


def _as_csv(query: TradeQuery) -> Answer:
    return Answer(services().reports.trades_csv(query), headers=_CSV_HEADERS)


_FORMATS: dict[str, Callable[[TradeQuery], SerializedResponse | Answer]] = {
    "json": _as_json,
    "csv": _as_csv,
}
