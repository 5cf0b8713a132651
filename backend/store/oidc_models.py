"""SQLAlchemy models of sign-ins with an OpenID provider: states, codes and linked identities."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.models import DIGEST_LENGTH, EMAIL_LENGTH, Base
from backend.store.types import UtcDateTime

ISSUER_LENGTH = 255
SUBJECT_LENGTH = 255


class ExternalIdentity(Base):
    """Identity at a provider (`iss`, `sub`) that a user signs in with."""

    __tablename__ = "external_identities"

    issuer: Mapped[str] = mapped_column(String(ISSUER_LENGTH), primary_key=True)
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInState(Base):
    """Sign-in that a browser (state) or an app (nonce) has begun; `digest` is its SHA-256.

    An app has neither cookie nor place to return to. The row goes with its use.
    """

    __tablename__ = "sign_in_states"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64))
    code_verifier: Mapped[str] = mapped_column(String(64))
    cookie_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    return_to: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class SignInCode(Base):
    """Identity that a provider has vouched for, until a client exchanges its code for tokens."""

    __tablename__ = "sign_in_codes"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(ISSUER_LENGTH))
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH))
    email: Mapped[str | None] = mapped_column(String(EMAIL_LENGTH))
    email_verified: Mapped[bool]
    authenticated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    code_challenge: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
