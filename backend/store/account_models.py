"""SQLAlchemy models of exchange accounts: snapshots, opening prices, risk limits, credentials."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.models import Base
from backend.store.types import ExactDecimal, UtcDateTime


class PortfolioSnapshot(Base):
    """Total value of an account at a moment, in the reference market of that moment."""

    __tablename__ = "portfolio_snapshots"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(String, primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    reference_market: Mapped[str] = mapped_column(String)
    total_value: Mapped[Decimal] = mapped_column(ExactDecimal)


class OpeningPrice(Base):
    """First known price of an asset in an account's opening balance, in the reference market."""

    __tablename__ = "opening_prices"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(String, primary_key=True)
    asset: Mapped[str] = mapped_column(String, primary_key=True)
    reference_market: Mapped[str] = mapped_column(String, primary_key=True)
    price: Mapped[Decimal] = mapped_column(ExactDecimal)


class RiskLimit(Base):
    """Risk limit that overrides its setting; `value` is JSON."""

    __tablename__ = "risk_limits"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ExchangeCredentials(Base):
    """API keys of one exchange; `sealed` is the ciphertext, `hint` the end of the key."""

    __tablename__ = "exchange_credentials"

    exchange: Mapped[str] = mapped_column(String(32), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    hint: Mapped[str] = mapped_column(String(4))
    has_password: Mapped[bool]
    enabled: Mapped[bool]
    trading: Mapped[Literal["paper", "real"]] = mapped_column(String(8))
    sandboxed: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    test_outcome: Mapped[str | None] = mapped_column(String(32))
