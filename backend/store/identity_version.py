"""Version counter of users, sessions and API keys, by which servers detect each other's changes."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.models import IdentityVersion


def increment(session: Session) -> None:
    """Increment the version; call it in the transaction of the change."""
    session.execute(update(IdentityVersion).values(number=IdentityVersion.number + 1))


def get(session: Session) -> int:
    """Return the version."""
    return session.scalars(select(IdentityVersion.number)).one()
