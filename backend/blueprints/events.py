"""Route of journalled events, for clients that were disconnected for long."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import current_principal, requires
from backend.middleware.rate_limit import limited
from backend.middleware.stream_access import readable, require_topics
from backend.openapi.validation import api
from backend.schemas.common import Page, Problem
from backend.schemas.past_events import JOURNALLED_TOPICS, EventQuery, PastEvent
from backend.schemas.topics import Topic
from backend.services import services

events = Blueprint("events", __name__, url_prefix="/events")


@events.get("")
@requires("stream:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Page[PastEvent], HTTP_410=Problem, HTTP_503=Problem), tags=["streams"]
)
def list_events(query: EventQuery) -> Page[PastEvent]:
    """List what happened to orders, trades and positions, oldest first.

    `after` takes any id that a stream gave, also before a restart of the server. 410 means that
    some of what followed is no longer kept: fetch the lists and begin anew. Each topic takes the
    read scope of its resource as well.
    """
    return services().hub.past_events(query.after or query.cursor, _topics(query), query.limit)


def _topics(query: EventQuery) -> tuple[Topic, ...]:
    principal, chosen = current_principal(), query.chosen_topics()
    if chosen is None:
        return readable(JOURNALLED_TOPICS, principal)
    return require_topics(chosen, principal)
