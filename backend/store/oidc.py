"""Queries on sign-ins with an OpenID provider."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from backend.store import users
from backend.store.models import User
from backend.store.oidc_models import ExternalIdentity, SignInCode, SignInState

STATE_LIFETIME = timedelta(minutes=10)
CODE_LIFETIME = timedelta(minutes=5)
MOST_STATES = 10_000


class NewState(NamedTuple):
    """Values of a sign-in that begins; all but digest and nonce are empty for an app."""

    digest: str
    nonce: str
    code_verifier: str = ""
    cookie_digest: str = ""
    return_to: str = ""
    code_challenge: str = ""


class NewCode(NamedTuple):
    """Values of an identity that a provider has vouched for; its challenge may be empty."""

    digest: str
    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    authenticated_at: datetime | None
    code_challenge: str


def begin(session: Session, state: NewState, at: datetime) -> None:
    """Insert a sign-in; beyond `MOST_STATES` the oldest give way."""
    session.execute(delete(SignInState).where(SignInState.expires_at <= at))
    pending = session.scalars(select(func.count()).select_from(SignInState)).one()
    if pending >= MOST_STATES:
        oldest = select(SignInState.digest).order_by(SignInState.expires_at).limit(1)
        session.execute(delete(SignInState).where(SignInState.digest.in_(oldest)))
    session.add(SignInState(**state._asdict(), expires_at=at + STATE_LIFETIME))


def take_state(session: Session, digest: str, cookie_digest: str, at: datetime) -> NewState | None:
    """Delete a sign-in and return it; None if it is unknown, expired or another browser's."""
    taken = (
        delete(SignInState)
        .where(
            SignInState.digest == digest,
            SignInState.cookie_digest == cookie_digest,
            SignInState.expires_at > at,
        )
        .returning(
            SignInState.digest,
            SignInState.nonce,
            SignInState.code_verifier,
            SignInState.cookie_digest,
            SignInState.return_to,
            SignInState.code_challenge,
        )
    )
    row = session.execute(taken).one_or_none()
    return None if row is None else NewState(*row)


def add_code(session: Session, code: NewCode, at: datetime) -> None:
    """Insert a code, and delete those that have expired."""
    session.execute(delete(SignInCode).where(SignInCode.expires_at <= at))
    session.add(SignInCode(**code._asdict(), expires_at=at + CODE_LIFETIME))


def find_code(session: Session, digest: str, at: datetime) -> SignInCode | None:
    """Return an unexpired code."""
    code = session.get(SignInCode, digest)
    return code if code is not None and code.expires_at > at else None


def spend_code(session: Session, digest: str) -> bool:
    """Delete a code; False if it was spent already."""
    spent = delete(SignInCode).where(SignInCode.digest == digest).returning(SignInCode.digest)
    return session.scalar(spent) is not None


def find_user(session: Session, issuer: str, subject: str) -> User | None:
    """Return the user that an identity is linked to."""
    linked = session.get(ExternalIdentity, (issuer, subject))
    return None if linked is None else users.get(session, linked.user_id)


def link(session: Session, issuer: str, subject: str, user: User, at: datetime) -> User:
    """Link an identity to a user; raises IntegrityError if it is linked already."""
    session.add(ExternalIdentity(issuer=issuer, subject=subject, user_id=user.id, created_at=at))
    session.flush()
    return user
