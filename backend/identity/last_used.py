"""When and from where sessions and keys were used: noted in memory, written now and then."""

from __future__ import annotations

from datetime import datetime, timezone
from time import time

from sqlalchemy.orm import Session

from backend.identity.principal import Principal
from backend.store import api_keys
from backend.store import refresh_tokens as families


class LastUsed:
    """The last use of each session and API key since it was last written."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, str, bool]] = {}

    def note(self, principal: Principal, address: str) -> None:
        """Note a use; part of each request, so it is next to nothing."""
        self._seen[principal.session_id] = (time(), address, principal.by_key)

    def write(self, session: Session) -> None:
        """Write what was noted; noted anew when the transaction fails after all."""
        seen, self._seen = self._seen, {}
        try:
            for used_id, (at, address, by_key) in list(seen.items()):
                note = api_keys.note_use if by_key else families.note_use
                note(session, used_id, _moment(at), address)
            session.flush()
        except BaseException:
            self._seen = seen | self._seen
            raise

    def __len__(self) -> int:
        return len(self._seen)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
