"""What the bot must know again after a restart, kept in the journal under a few names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from backend.bridge.ledger.outbox import Change, Outbox
from backend.ports.journal import OrderJournal

Name = Literal["pause", "day", "dead_man"]


class SavedBotState:
    """Memos by name: read when the process starts, written whenever they change."""

    def __init__(self, journal: OrderJournal, outbox: Outbox) -> None:
        self._journal = journal
        self._outbox = outbox
        self._kept: dict[Name, Mapping[str, Any]] = {}

    def recall(self, name: Name) -> Mapping[str, Any]:
        """Return a memo, nothing in it if there never was one; blocks."""
        self._kept[name] = self._journal.bot_state(name)
        return self._kept[name]

    def keep(self, name: Name, **memo: Any) -> None:
        """Have a memo committed, if it is another than the one that is kept."""
        if self._kept.get(name) != memo:
            self._kept[name] = memo
            self._outbox.put(Change(memo=(name, memo)))
