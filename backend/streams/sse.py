"""How a stream is spelled: server-sent events, their ids, and the comment that keeps it open."""

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

_SINGLE: frozenset[Topic] = frozenset({"portfolio", "bot"})
_ID = re.compile(r"([0-9a-f]{1,16})-(\d{1,31})")
_LIVE_BITS = 40
_JOURNAL = "0"


class EventId(NamedTuple):
    """A place in the events; what `id:` and `Last-Event-ID` hold.

    In a start of the server the sequence counts all events, and its upper bits are the
    journal's number of the last journalled one: that says after a restart what has been
    missed. The start named 0 is the journal itself, and the sequence the number.
    """

    start: str
    sequence: int

    @classmethod
    def in_journal(cls, number: int) -> EventId:
        """Name a place that holds for journalled events only."""
        return cls(_JOURNAL, number)

    @property
    def number(self) -> int:
        """The journal's number of the last journalled event up to here."""
        return self.sequence if self.start == _JOURNAL else self.sequence >> _LIVE_BITS

    def following(self, number: int | None = None) -> EventId:
        """Name the next place: of an event with this number in the journal, or of another."""
        after = self.sequence + 1
        return EventId(self.start, after if number is None else max(after, first_place(number)))

    def __str__(self) -> str:
        return f"{self.start}-{self.sequence}"


def first_place(number: int) -> int:
    """Return the sequence of the journalled event with this number."""
    return number << _LIVE_BITS


def parse_event_id(text: str) -> EventId:
    """Read an id; raises `MalformedRequest` when no server of ours can have given it out."""
    found = _ID.fullmatch(text)
    if found is None:
        raise MalformedRequest("Last-Event-ID: an id that a stream of this server gave out")
    return EventId(found[1], int(found[2]))


def event_frame(event_id: EventId | None, name: str, data: bytes) -> bytes:
    """Spell one event; without an id, the client's place stays where it was."""
    place = b"" if event_id is None else b"id: %b\n" % str(event_id).encode()
    return b"%bevent: %b\ndata: %b\n\n" % (place, name.encode(), data)


def snapshot_frame(event_id: EventId | None, topic: Topic, items: Iterable[bytes]) -> bytes:
    """Spell a topic as it stands: a list of its items, or for portfolio and bot the one object."""
    data = next(iter(items), b"null") if topic in _SINGLE else b"[%b]" % b",".join(items)
    body = b'{"topic":"%b","timestamp":"%b","data":%b}' % (topic.encode(), _now(), data)
    return event_frame(event_id, "snapshot", body)


def reset_frame() -> bytes:
    """Spell the event that tells a client to forget what it knows: fresh snapshots follow."""
    return event_frame(None, "reset", b'{"timestamp":"%b"}' % _now())


def end_frame(reason: EndReason) -> bytes:
    """Spell a stream's last event."""
    data = b'{"reason":"%b","timestamp":"%b"}' % (reason.encode(), _now())
    return event_frame(None, "end", data)


def _now() -> bytes:
    return time_text(utc_now()).encode()
