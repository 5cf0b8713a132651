"""Last use of sessions and API keys: recorded in memory, written in batches."""

from __future__ import annotations

from datetime import datetime, timezone
from time import time

from sqlalchemy.orm import Session

from backend.identity.principal import Principal
from backend.store import api_keys, refresh_tokens


class LastUsed:
    """Buffer of each session's and API key's last use since the last write."""

    def __init__(self) -> None:
        self._uses: dict[str, tuple[float, str, bool]] = {}

    def record(self, principal: Principal, address: str) -> None:
        """Record a use; called for every request, so it is cheap."""
        self._uses[principal.session_id] = (time(), address, principal.is_api_key)

    def write(self, session: Session) -> None:
        """Write the recorded uses; they are kept for the next write when this one fails."""
        uses, self._uses = self._uses, {}
        try:
            for used_id, (at, address, is_api_key) in list(uses.items()):
                record = api_keys.record_use if is_api_key else refresh_tokens.record_use
                record(session, used_id, _utc(at), address)
            session.flush()
        except BaseException:
            self._uses = uses | self._uses
            raise

    def __len__(self) -> int:
        return len(self._uses)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
