"""Streams: server-sent events for whoever may read them, and tickets to open one with."""

from __future__ import annotations

from functools import partial
from typing import cast

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from spectree import Response as Answers

from backend.blueprints.subscriptions import readable, require_symbols, require_topics
from backend.handover import hand_over_socket
from backend.identity import Principal
from backend.middleware.auth import current_principal, requires
from backend.middleware.rate_limit import limited
from backend.openapi import api
from backend.schemas.common import Envelope, Problem
from backend.schemas.events import Topic
from backend.schemas.streams import TOPICS, StreamQuery, StreamTicket, TopicStreamQuery
from backend.services import services
from backend.streams import TICKET_S, Holder, Selection, Tickets

streams = Blueprint("streams", __name__, url_prefix="/stream")

_TICKETS = "stream_tickets"
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
_ANSWERS = Answers("HTTP_200", HTTP_503=Problem)


def ticket_holder() -> Principal | None:
    """Return whoever the request's ticket was issued to, and spend it."""
    ticket = request.args.get("ticket")
    return None if ticket is None else _tickets().redeem(ticket)


@streams.post("/ticket")
@requires("stream:read")
@limited("query")
@api.validate(resp=Answers(HTTP_201=Envelope[StreamTicket], HTTP_503=Problem), tags=["streams"])
def create_ticket() -> tuple[Envelope[StreamTicket], int]:
    """Create a ticket: it opens one stream, within half a minute, without Authorization header."""
    ticket = _tickets().issue(current_principal())
    return Envelope(data=StreamTicket(ticket=ticket, expires_in=TICKET_S)), 201


@streams.get("")
@requires("stream:read", credentials=ticket_holder)
@limited("query")
@api.validate(resp=_ANSWERS, tags=["streams"])
def stream(query: StreamQuery) -> Response:
    """Follow what happens, as server-sent events.

    Begins with a `snapshot` of each topic, or right after `Last-Event-ID`. Each
    topic takes the read scope of its resource as well.
    """
    chosen = query.chosen_topics()
    return _stream(query, readable(TOPICS) if chosen is None else chosen)


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


@streams.record_once
def _create_tickets(state: BlueprintSetupState) -> None:
    state.app.extensions[_TICKETS] = Tickets[Principal]()


def _tickets() -> Tickets[Principal]:
    return cast(Tickets[Principal], current_app.extensions[_TICKETS])


def _stream(query: TopicStreamQuery, topics: tuple[Topic, ...]) -> Response:
    principal = current_principal()
    selection = Selection(require_topics(topics), query.chosen_symbols())
    require_symbols(selection.symbols)
    holder = Holder(
        principal.user_id,
        principal.expires_at.timestamp(),
        partial(services().identity.is_active, principal),
    )
    last_event_id = request.headers.get("Last-Event-ID") or query.after
    body = services().hub.open(selection, holder, last_event_id)
    if hand_over_socket(request.environ, body.take_over):
        return Response(headers=_HEADERS)
    return Response(body, headers=_HEADERS, direct_passthrough=True)
