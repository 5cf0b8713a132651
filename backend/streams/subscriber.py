"""One stream as the hub sees it: whose it is, what it carries, how far it has got, its way out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from backend.streams.connection_limits import StreamSlot
from backend.streams.event_log import Selection
from backend.streams.sse import EndReason, EventId
from backend.streams.writers import StreamWriter

if TYPE_CHECKING:
    from backend.streams.subscriber_groups import SubscriberGroup


@dataclass(frozen=True, slots=True)
class StreamOwner:
    """Whoever opened a stream, and for how long they may keep it.

    `expires_at` is in seconds since 1970. `is_active` is called every few
    seconds by the hub's thread and must not wait for anything.
    """

    user_id: str
    expires_at: float
    is_active: Callable[[], bool]

    def lost_access(self) -> EndReason | None:
        """Say why the stream must end, or None while it may go on."""
        if self.expires_at <= time.time():
            return "token_expired"
        return None if self.is_active() else "access_revoked"


@dataclass(slots=True)
class JournalReplay:
    """How far a client has been told the journal, and whether it waits for the next page."""

    number: int
    is_waiting: bool = False


class SelectionChange(NamedTuple):
    """What a socket's client wants to be sent from now on, or from a place on."""

    selection: Selection
    place: EventId | None = None


class Subscriber:
    """A stream and its place in the events.

    A current client has no place of its own: it has been sent all but what is pending
    for its group. One that lags is still to get `rest`, which its outlet did not take,
    and what follows: in the journal while there is a `recall`, from `sequence` on when
    there is none.
    """

    __slots__ = (
        "behind_since",
        "ended_at",
        "group",
        "holder",
        "is_open",
        "last_words",
        "place",
        "recall",
        "rest",
        "seat",
        "selection",
        "sequence",
        "took_at",
        "wishes",
        "words",
        "writer",
    )

    def __init__(
        self,
        writer: StreamWriter,
        selection: Selection,
        holder: StreamOwner,
        seat: StreamSlot,
        place: EventId | None,
    ) -> None:
        self.group: SubscriberGroup  # from its beginning on
        self.writer = writer
        self.selection = selection
        self.holder = holder
        self.seat = seat
        self.place = place
        self.is_open = False
        self.recall: JournalReplay | None = None
        self.sequence = 0
        self.rest = b""
        self.behind_since = 0.0
        self.took_at = 0.0
        self.ended_at: float | None = None
        self.last_words = b""
        self.words = b""  # answers to what a socket's client said
        self.wishes: list[
            SelectionChange
        ] = []  # in their order, each granted when nothing is left to send
