"""SQLAlchemy models of passkeys (WebAuthn credentials) and their challenges."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.models import DIGEST_LENGTH, ID_LENGTH, NAME_LENGTH, Base, new_id
from backend.store.types import UntrustedText, UtcDateTime

CREDENTIAL_ID_LENGTH = 1364
"""1,023 bytes, the longest that WebAuthn allows, as base64url."""


class Passkey(Base):
    """Registered WebAuthn credential: its id (base64url), COSE public key and last counter."""

    __tablename__ = "passkeys"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[str] = mapped_column(String(CREDENTIAL_ID_LENGTH), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(UntrustedText(NAME_LENGTH))
    backed_up: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PasskeyChallenge(Base):
    """Challenge that was issued and not yet used, stored as SHA-256; the row goes with its use."""

    __tablename__ = "passkey_challenges"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    session_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
