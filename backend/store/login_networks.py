"""Queries on the networks that users have logged in from, which have a reserve of logins."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store.models import LoginNetwork, User

MOST_PER_USER = 20
LIFETIME = timedelta(days=90)


def record(session: Session, user_id: str, network: str, at: datetime) -> None:
    """Record a login; the user's row is locked, so that two at once do not collide."""
    row = session.get(LoginNetwork, (user_id, network))
    if row is not None:
        row.last_login_at = at
        return
    session.add(LoginNetwork(user_id=user_id, network=network, last_login_at=at))
    session.flush()
    oldest = (
        select(LoginNetwork.network)
        .where(LoginNetwork.user_id == user_id)
        .order_by(LoginNetwork.last_login_at.desc())
        .offset(MOST_PER_USER)
    )
    surplus = list(session.scalars(oldest))
    if surplus:
        session.execute(
            delete(LoginNetwork).where(
                LoginNetwork.user_id == user_id, LoginNetwork.network.in_(surplus)
            )
        )


def is_known(session: Session, username: str, network: str, at: datetime) -> bool:
    """Return whether a user of this name has logged in from a network within `LIFETIME`."""
    query = (
        select(LoginNetwork.user_id)
        .join(User, User.id == LoginNetwork.user_id)
        .where(
            User.username == username,
            LoginNetwork.network == network,
            LoginNetwork.last_login_at > at - LIFETIME,
        )
    )
    return session.scalar(query) is not None


def delete_expired(session: Session, at: datetime) -> None:
    """Delete networks without a login within `LIFETIME`."""
    session.execute(delete(LoginNetwork).where(LoginNetwork.last_login_at <= at - LIFETIME))
