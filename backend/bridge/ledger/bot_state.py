"""Persistent state of the bot: named JSON objects in the journal that survive a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from backend.bridge.ledger.journal_rows import SavedState
from backend.bridge.ledger.outbox import Outbox
from backend.ports.journal import OrderJournal

Name = Literal["pause", "day", "dead_man"]


class SavedBotState:
    """JSON objects by name: loaded when the process starts, saved whenever they change."""

    def __init__(self, journal: OrderJournal, outbox: Outbox) -> None:
        self._journal = journal
        self._outbox = outbox
        self._saved: dict[Name, Mapping[str, Any]] = {}

    def load(self, name: Name) -> Mapping[str, Any]:
        """Return the object saved under a name, an empty mapping if there is none; blocks."""
        self._saved[name] = self._journal.bot_state(name)
        return self._saved[name]

    def save(self, name: Name, **state: Any) -> None:
        """Commit a state unless it equals the saved one."""
        if self._saved.get(name) != state:
            self._saved[name] = state
            self._outbox.commit([SavedState(name, state)])
