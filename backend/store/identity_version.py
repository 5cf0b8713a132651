"""How many times users, sessions or keys were changed: what a server asks to notice others."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.models import IdentityVersion


def note(session: Session) -> None:
    """Count a change; together with it, in one transaction."""
    session.execute(update(IdentityVersion).values(number=IdentityVersion.number + 1))


def number(session: Session) -> int:
    """Return how many there have been."""
    return session.scalars(select(IdentityVersion.number)).one()
