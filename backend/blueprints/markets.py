"""Routes of exchanges, markets, tickers, candles and order books."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.blueprints.path_parameters import symbol_in_path
from backend.middleware.auth import requires
from backend.middleware.headers import storable_by_caller
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import Envelope, Problem
from backend.schemas.markets import (
    BookQuery,
    Candle,
    CandleQuery,
    Exchange,
    Market,
    MarketQuery,
    OrderBook,
    Ticker,
    TickerQuery,
)
from backend.services import services

markets = Blueprint("markets", __name__)

_FAILURES = {"HTTP_502": Problem, "HTTP_503": Problem, "HTTP_504": Problem}


@markets.get("/exchanges")
@requires("markets:read")
@limited("query")
@storable_by_caller
@api.validate(
    resp=Response(
        HTTP_200=Envelope[list[Exchange]], HTTP_304=None, HTTP_503=Problem, HTTP_504=Problem
    ),
    tags=["markets"],
)
def list_exchanges() -> SerializedResponse:
    """List the exchanges that the bot is connected to."""
    return services().bridge.markets.read_exchanges()


@markets.get("/markets")
@requires("markets:read")
@limited("query")
@storable_by_caller
@api.validate(
    resp=Response(HTTP_200=Envelope[list[Market]], HTTP_304=None, **_FAILURES),
    tags=["markets"],
)
def list_markets(query: MarketQuery) -> SerializedResponse:
    """List the symbols that are traded, with the exchange's rules for each."""
    return services().bridge.markets.markets(query.exchange)


@markets.get("/tickers")
@requires("markets:read")
@limited("query")
@storable_by_caller
@api.validate(
    resp=Response(HTTP_200=Envelope[list[Ticker]], HTTP_304=None, **_FAILURES),
    tags=["markets"],
)
def list_tickers(query: TickerQuery) -> SerializedResponse:
    """List the price and the 24 h figures of each symbol."""
    return services().bridge.markets.tickers(query)


@markets.get("/tickers/<path:symbol>")
@requires("markets:read")
@limited("query")
@storable_by_caller
@api.validate(
    resp=Response(HTTP_200=Envelope[Ticker], HTTP_304=None, **_FAILURES),
    tags=["markets"],
)
def get_ticker(symbol: str, query: MarketQuery) -> SerializedResponse:
    """Show the price and the 24 h figures of one symbol."""
    return services().bridge.markets.ticker(symbol_in_path(symbol), query.exchange)


@markets.get("/candles/<path:symbol>")
@requires("markets:read")
@limited("query")
@storable_by_caller
@api.validate(
    resp=Response(HTTP_200=Envelope[list[Candle]], HTTP_304=None, **_FAILURES),
    tags=["markets"],
)
def list_candles(symbol: str, query: CandleQuery) -> SerializedResponse:
    """List candles, oldest first; the last one is still running."""
    return services().bridge.markets.candles(symbol_in_path(symbol), query)


@markets.get("/order-book/<path:symbol>")
@requires("markets:read")
@limited("query")
@storable_by_caller
@api.validate(
    resp=Response(HTTP_200=Envelope[OrderBook], HTTP_304=None, **_FAILURES),
    tags=["markets"],
)
def get_order_book(symbol: str, query: BookQuery) -> SerializedResponse:
    """Show the best bids and asks."""
    return services().bridge.markets.order_book(symbol_in_path(symbol), query)
