"""Queries on revoked access tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store.models import RevokedToken


def insert_or_ignore(session: Session, token_id: str, expires_at: datetime) -> None:
    """Revoke a token; a repetition changes nothing."""
    session.merge(RevokedToken(id=token_id, expires_at=expires_at))


def list_unexpired(session: Session, now: datetime) -> list[tuple[str, datetime]]:
    """Return the revoked tokens that have not expired yet, with their expiry."""
    rows = session.execute(
        select(RevokedToken.id, RevokedToken.expires_at).where(RevokedToken.expires_at > now)
    )
    return [(token_id, expires_at) for token_id, expires_at in rows]


def delete_expired(session: Session, before: datetime) -> None:
    """Delete tokens that expired before a time."""
    session.execute(delete(RevokedToken).where(RevokedToken.expires_at < before))
