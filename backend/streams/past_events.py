"""Pages of journalled events for GET /events, under the ids that the streams use."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from backend.errors import EventsGone
from backend.ports.journal import EventJournal, StoredEvent
from backend.schemas.common import Page, Pagination
from backend.schemas.past_events import PastEvent
from backend.schemas.topics import Topic
from backend.streams.journal_reader import events_after
from backend.streams.sse import EventId, parse_event_id


def past_events(
    journal: EventJournal, after: str | None, topics: Sequence[Topic], limit: int
) -> Page[PastEvent]:
    """Return the events that followed an id, oldest first; blocks on the database.

    Raises `EventsGone` when some of them were deleted, or the id was never issued.
    """
    found = events_after(journal, _journal_number(journal, after), topics, limit + 1)
    page, more = found[:limit], found[limit:]
    cursor = str(EventId.of_journal(page[-1].sequence)) if more else None
    return Page(
        data=[_past_event(stored) for stored in page],
        pagination=Pagination(limit=limit, next_cursor=cursor),
    )


def _journal_number(journal: EventJournal, after: str | None) -> int:
    if after is None:
        return max(0, journal.oldest_event_sequence() - 1)
    number = parse_event_id(after).journal_number
    if number > journal.last_event_sequence():
        raise EventsGone("no event of this server had this id")
    return number


def _past_event(stored: StoredEvent) -> PastEvent:
    event = stored.event
    return PastEvent.model_construct(
        id=str(EventId.of_journal(stored.sequence)),
        topic=event.topic,
        event=event.name,
        data=orjson.loads(event.data),
    )
