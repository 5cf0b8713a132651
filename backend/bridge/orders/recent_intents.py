"""Cache of recently accepted intents: their keys need no look-up in the journal."""

from __future__ import annotations

from backend.ports.journal import KEY_LIFETIME, Intent

MOST_KEPT = 4096


class RecentIntents:
    """Accepted intents by user and key; may be used from any thread.

    Evicted intents are still in the journal.
    """

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Intent] = {}

    def add(self, intent: Intent) -> None:
        """Remember an intent whose order is durable."""
        if len(self._by_key) >= MOST_KEPT:
            self._by_key = {}
        for key in intent.keys:
            self._by_key[intent.user_id, key] = intent

    def find(self, intent: Intent) -> Intent | None:
        """Return the cached intent that has a key of this one, if there is one."""
        for key in sorted(intent.keys):
            earlier = self._by_key.get((intent.user_id, key))
            if earlier is not None and earlier.created_at >= intent.created_at - KEY_LIFETIME:
                return earlier
        return None
