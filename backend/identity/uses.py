"""When and from where sessions were last used: noted in memory, written from time to time."""

from __future__ import annotations

from datetime import datetime, timezone
from time import time

from sqlalchemy.orm import Session

from backend.identity.principals import Principal
from backend.store import families


class Uses:
    """The last use of each session since it was last written."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, str]] = {}

    def note(self, principal: Principal, address: str) -> None:
        """Note a use; part of each request, so it is next to nothing."""
        self._seen[principal.session_id] = (time(), address)

    def write(self, session: Session) -> None:
        """Write what was noted; noted anew when the transaction fails after all."""
        seen, self._seen = self._seen, {}
        try:
            for session_id, (at, address) in list(seen.items()):
                families.note_use(session, session_id, _moment(at), address)
            session.flush()
        except BaseException:
            self._seen = seen | self._seen
            raise

    def __len__(self) -> int:
        return len(self._seen)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
