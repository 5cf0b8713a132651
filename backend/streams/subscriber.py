"""Subscriber: one stream's owner, selection, writer and position in the event log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from backend.streams.connection_limits import StreamSlot
from backend.streams.selection import Selection
from backend.streams.sse import EndReason, EventId
from backend.streams.writers import StreamWriter


@dataclass(frozen=True, slots=True)
class StreamOwner:
    """User who opened a stream, and the time until which they have access to it.

    `expires_at` is in seconds since 1970. `is_active` is called every few seconds by
    the hub's thread and must not block.
    """

    user_id: str
    expires_at: float
    is_active: Callable[[], bool]

    def end_reason(self) -> EndReason | None:
        """Return the reason why the stream must end, or None while the owner has access."""
        if self.expires_at <= time.time():
            return "token_expired"
        return None if self.is_active() else "access_revoked"


@dataclass(slots=True)
class JournalReplay:
    """Progress of a replay from the journal: the last number sent, and whether a page is due."""

    journal_number: int
    is_waiting: bool = False


class SelectionChange(NamedTuple):
    """New selection of a WebSocket, optionally resumed after an id."""

    selection: Selection
    resume_after: EventId | None = None


class Subscriber:
    """One stream and its progress.

    A current subscriber has been sent everything but its group's pending entries. A
    lagging one has yet to be sent `unsent`, which its writer did not take, and then the
    entries after `sequence`, or the journal's while there is a `journal_replay`.
    """

    __slots__ = (
        "closing_frames",
        "closing_since",
        "control_frames",
        "is_open",
        "journal_replay",
        "lagging_since",
        "last_write_at",
        "owner",
        "resume_after",
        "selection",
        "selection_changes",
        "sequence",
        "slot",
        "unsent",
        "writer",
    )

    def __init__(
        self,
        writer: StreamWriter,
        selection: Selection,
        owner: StreamOwner,
        slot: StreamSlot,
        resume_after: EventId | None,
    ) -> None:
        self.writer = writer
        self.selection = selection
        self.owner = owner
        self.slot = slot
        self.resume_after = resume_after
        self.is_open = False
        self.journal_replay: JournalReplay | None = None
        self.sequence = 0
        self.unsent = b""
        self.lagging_since = 0.0
        self.last_write_at = 0.0
        self.closing_since: float | None = None
        self.closing_frames = b""
        self.control_frames = b""  # replies to a WebSocket's requests, sent between two events
        # in their order, each applied once everything before it has been sent
        self.selection_changes: list[SelectionChange] = []


SubscriberFactory = Callable[[StreamWriter], Subscriber]
