"""SQLAlchemy models of users, sessions, API keys, second factors, mailed codes and the audit."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backend.schemas.auth import Role
from backend.store.types import UntrustedText, UtcDateTime

ID_LENGTH = 32
DIGEST_LENGTH = 64
ADDRESS_LENGTH = 45
USER_AGENT_LENGTH = 200
NAME_LENGTH = 64
EMAIL_LENGTH = 254
PATH_LENGTH = 300
PERSON_NAME_LENGTH = 100
PHONE_LENGTH = 16
DEVICE_NAME_LENGTH = 60
REFERRAL_CODE_LENGTH = 12
CHANGE_LENGTH = 2000

# SQLite numbers rows by itself only in a column that is exactly INTEGER
RowNumber = BigInteger().with_variant(Integer, "sqlite")

_CODE_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


def new_id() -> str:
    """Return a new random id."""
    return uuid.uuid4().hex


def new_referral_code() -> str:
    """Return a new random referral code, of 59 bits."""
    return "".join(secrets.choice(_CODE_CHARACTERS) for _ in range(REFERRAL_CODE_LENGTH))


class Base(DeclarativeBase):
    """Base of all tables; named constraints, so that a migration can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class User(Base):
    """User account; usernames are stored in lower case, so that no two differ in case only.

    `password_fits_admin` is whether the password is known to meet the rules for admins.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("username = lower(username)", name="username_lower"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(NAME_LENGTH), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    role: Mapped[Role] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    email: Mapped[str | None] = mapped_column(String(EMAIL_LENGTH), unique=True)
    email_verified: Mapped[bool] = mapped_column(default=False, server_default=false())
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=false())
    second_factor: Mapped[bool] = mapped_column(default=False, server_default=false())
    name: Mapped[str | None] = mapped_column(String(PERSON_NAME_LENGTH))
    phone: Mapped[str | None] = mapped_column(String(PHONE_LENGTH))
    referral_code: Mapped[str] = mapped_column(
        String(REFERRAL_CODE_LENGTH), unique=True, default=new_referral_code
    )
    invited_by: Mapped[str | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    password_fits_admin: Mapped[bool] = mapped_column(default=False, server_default=false())


class IdentityVersion(Base):
    """Single row with the version counter of users, sessions and API keys."""

    __tablename__ = "identity_changes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class RefreshFamily(Base):
    """One login on one device: a chain of refresh tokens, each the successor of the last."""

    __tablename__ = "refresh_families"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_address: Mapped[str | None] = mapped_column(UntrustedText(ADDRESS_LENGTH))
    device_name: Mapped[str | None] = mapped_column(UntrustedText(DEVICE_NAME_LENGTH))
    remembered: Mapped[bool] = mapped_column(default=False, server_default=false())


class RefreshToken(Base):
    """Single-use token of a family, stored as SHA-256; `spent_at` is when it was rotated."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    family_id: Mapped[str] = mapped_column(
        ForeignKey("refresh_families.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    address: Mapped[str] = mapped_column(UntrustedText(ADDRESS_LENGTH))
    user_agent: Mapped[str] = mapped_column(UntrustedText(USER_AGENT_LENGTH))


class LoginNetwork(Base):
    """Network (IPv4 address, IPv6 /64) that a user has logged in from."""

    __tablename__ = "login_networks"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    network: Mapped[str] = mapped_column(UntrustedText(ADDRESS_LENGTH), primary_key=True)
    last_login_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """API key, stored as SHA-256; lists are separated by spaces."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(UntrustedText(NAME_LENGTH))
    prefix: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), unique=True)
    scopes: Mapped[str] = mapped_column(Text)
    networks: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_address: Mapped[str | None] = mapped_column(UntrustedText(ADDRESS_LENGTH))


class SecondFactor(Base):
    """Encrypted TOTP seed; in force once it is confirmed."""

    __tablename__ = "second_factors"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed: Mapped[bool] = mapped_column(default=False, server_default=false())


class RecoveryCode(Base):
    """Single-use recovery code, stored as an argon2id digest; older ones as SHA-256."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EmailCode(Base):
    """Code sent to an address, or only apparently so; stored as a keyed digest."""

    __tablename__ = "mailed_codes"
    __table_args__ = (Index("ix_mailed_codes_email_purpose", "email", "purpose", "created_at"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(16))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    tries: Mapped[int] = mapped_column(default=0)
    network: Mapped[str | None] = mapped_column(UntrustedText(ADDRESS_LENGTH))
    foreign_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    spent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RevokedToken(Base):
    """Revoked access token, kept until it would have expired."""

    __tablename__ = "revoked_tokens"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class AuditEntry(Base):
    """Audited request: user, address, action and outcome. Triggers refuse changes and deletions.

    The user is stored by value: an entry outlives its user.
    """

    __tablename__ = "audit_entries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    action: Mapped[str] = mapped_column(UntrustedText(64))
    user_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    username: Mapped[str | None] = mapped_column(UntrustedText(NAME_LENGTH))
    address: Mapped[str] = mapped_column(UntrustedText(ADDRESS_LENGTH))
    method: Mapped[str] = mapped_column(UntrustedText(16))
    path: Mapped[str] = mapped_column(UntrustedText(PATH_LENGTH))
    status: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
    change: Mapped[str | None] = mapped_column(UntrustedText(CHANGE_LENGTH))
    hash: Mapped[str] = mapped_column(String(DIGEST_LENGTH), server_default="none")


class AuditEnd(Base):
    """Last hash of the audit chain; its single row is locked by appends."""

    __tablename__ = "audit_end"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
