"""Access tokens that were ended before their time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store.models import RevokedToken


def add(session: Session, token_id: str, expires_at: datetime) -> None:
    """End a token; ending it twice is once."""
    session.merge(RevokedToken(id=token_id, expires_at=expires_at))


def alive(session: Session, now: datetime) -> list[tuple[str, datetime]]:
    """Return the ended tokens that have not expired yet, with their expiry."""
    rows = session.execute(
        select(RevokedToken.id, RevokedToken.expires_at).where(RevokedToken.expires_at > now)
    )
    return [(token_id, expires_at) for token_id, expires_at in rows]


def prune(session: Session, before: datetime) -> None:
    """Forget tokens that expired before a time."""
    session.execute(delete(RevokedToken).where(RevokedToken.expires_at < before))
