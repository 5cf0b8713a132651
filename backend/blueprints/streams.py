"""Routes of server-sent event streams, and of the tickets that open them."""

from __future__ import annotations

from flask import Blueprint, Response, request
from spectree import Response as Answers

from backend.identity import Principal
from backend.middleware.auth import current_principal, requires
from backend.middleware.headers import set_cache_control
from backend.middleware.rate_limit import limited
from backend.middleware.stream_access import (
    readable,
    require_symbols,
    require_topics,
    stream_owner,
)
from backend.openapi.validation import api
from backend.ports.socket_handoff import hand_over_socket
from backend.schemas.common import Envelope, Problem
from backend.schemas.streams import DEFAULT_TOPICS, StreamQuery, StreamTicket, TopicStreamQuery
from backend.schemas.topics import Topic
from backend.services import services
from backend.streams import TICKET_LIFETIME_S, Selection

streams = Blueprint("streams", __name__, url_prefix="/stream")

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Accel-Buffering": "no",
}
_ANSWERS = Answers("HTTP_200", HTTP_503=Problem)


def ticket_holder() -> Principal | None:
    """Redeem the request's ticket and return the principal that it was issued to."""
    ticket = request.args.get("ticket")
    return None if ticket is None else services().tickets.redeem(ticket)


@streams.post("/ticket")
@requires("stream:read")
@limited("query")
@api.validate(resp=Answers(HTTP_201=Envelope[StreamTicket], HTTP_503=Problem), tags=["streams"])
def create_ticket() -> tuple[Envelope[StreamTicket], int]:
    """Create a ticket: it opens one stream, within half a minute, without Authorization header."""
    ticket = services().tickets.issue(current_principal())
    return Envelope(data=StreamTicket(ticket=ticket, expires_in=TICKET_LIFETIME_S)), 201


@streams.get("")
@requires("stream:read", credentials=ticket_holder)
@limited("query")
@api.validate(resp=_ANSWERS, tags=["streams"])
def stream(query: StreamQuery) -> Response:
    """Follow what happens, as server-sent events.

    Begins with a `snapshot` of each topic, or right after `Last-Event-ID`. Each
    topic takes the read scope of its resource as well.
    """
    return _stream(query, query.chosen_topics(), query.chosen_intervals())


@streams.get("/prices")
@requires("stream:read", credentials=ticket_holder)
@limited("query")
@api.validate(resp=_ANSWERS, tags=["streams"])
def stream_prices(query: TopicStreamQuery) -> Response:
    """Follow prices, as server-sent events."""
    return _stream(query, ("prices",))


@streams.get("/orders")
@requires("stream:read", credentials=ticket_holder)
@limited("query")
@api.validate(resp=_ANSWERS, tags=["streams"])
def stream_orders(query: TopicStreamQuery) -> Response:
    """Follow orders and trades, as server-sent events."""
    return _stream(query, ("orders", "trades"))


def _stream(
    query: TopicStreamQuery,
    topics: tuple[Topic, ...] | None,
    intervals: frozenset[str] | None = None,
) -> Response:
    principal = current_principal()
    if topics is None:
        topics = readable(DEFAULT_TOPICS, principal)
    topics, symbols = require_topics(topics, principal), require_symbols(query.chosen_symbols())
    selection = Selection(topics, symbols, intervals=intervals)
    last_event_id = request.headers.get("Last-Event-ID") or query.after
    set_cache_control(request.environ, "no-store, no-transform")  # proxies must not compress it
    body = services().hub.open_stream(selection, stream_owner(principal), last_event_id)
    if hand_over_socket(request.environ, body.take_over):
        return Response(headers=_HEADERS)
    return Response(body, headers=_HEADERS, direct_passthrough=True)
