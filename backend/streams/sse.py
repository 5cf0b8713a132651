"""Server-sent events: event ids, and the frames of events, snapshots, resets and heartbeats."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from backend.errors import MalformedRequest
from backend.schemas.common import time_text, utc_now
from backend.schemas.topics import Topic

EndReason = Literal["token_expired", "access_revoked", "server_stopping"]

OPENING = b"retry: 2000\n\n"
HEARTBEAT = b":\n\n"

_SINGLE_ITEM: frozenset[Topic] = frozenset({"portfolio", "bot"})
_ID = re.compile(r"([0-9a-f]{1,16})-([0-9]{1,31})")
_UNJOURNALLED_BITS = 40
_JOURNAL = "0"


class EventId(NamedTuple):
    """Id of an event, as `id:` and `Last-Event-ID` carry it.

    Within a start of the server the sequence counts all events, and its upper bits are the journal
    number of the last journalled event, so that the events missed over a restart are known. The
    start "0" denotes the journal itself; its sequence is the journal number.
    """

    start: str
    sequence: int

    @classmethod
    def of_journal(cls, journal_number: int) -> EventId:
        """Return the id of a journalled event that is independent of the server's start."""
        return cls(_JOURNAL, journal_number)

    @property
    def journal_number(self) -> int:
        """Journal number of the last journalled event up to this id."""
        return self.sequence if self.start == _JOURNAL else self.sequence >> _UNJOURNALLED_BITS

    def successor(self, journal_number: int | None = None) -> EventId:
        """Return the next id: of the journalled event with this number, or of any other event."""
        sequence = self.sequence + 1
        if journal_number is not None:
            sequence = max(sequence, journalled_sequence(journal_number))
        return EventId(self.start, sequence)

    def __str__(self) -> str:
        return f"{self.start}-{self.sequence}"


def journalled_sequence(journal_number: int) -> int:
    """Return the sequence of the journalled event with this number."""
    return journal_number << _UNJOURNALLED_BITS


def parse_event_id(text: str) -> EventId:
    """Parse an id; raises `MalformedRequest` for a text that is no id of this server."""
    found = _ID.fullmatch(text)
    if found is None:
        raise MalformedRequest("Last-Event-ID: an id that a stream of this server gave out")
    return EventId(found[1], int(found[2]))


def event_frame(event_id: EventId | None, name: str, data: bytes) -> bytes:
    """Build an event's frame; without an id, the client's last id stays as it was."""
    id_line = b"" if event_id is None else b"id: %b\n" % str(event_id).encode()
    return b"%bevent: %b\ndata: %b\n\n" % (id_line, name.encode(), data)


def snapshot_frame(event_id: EventId | None, topic: Topic, items: Iterable[bytes]) -> bytes:
    """Build a topic's snapshot: a list of its items, or the one object of portfolio and bot."""
    data = next(iter(items), b"null") if topic in _SINGLE_ITEM else b"[%b]" % b",".join(items)
    body = b'{"topic":"%b","timestamp":"%b","data":%b}' % (topic.encode(), _now(), data)
    return event_frame(event_id, "snapshot", body)


def reset_frame() -> bytes:
    """Build the event after which a client drops its state: fresh snapshots follow."""
    return event_frame(None, "reset", b'{"timestamp":"%b"}' % _now())


def end_frame(reason: EndReason) -> bytes:
    """Build a stream's last event."""
    data = b'{"reason":"%b","timestamp":"%b"}' % (reason.encode(), _now())
    return event_frame(None, "end", data)


def _now() -> bytes:
    return time_text(utc_now()).encode()
