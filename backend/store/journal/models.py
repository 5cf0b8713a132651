"""The journal's tables: accounts, balances, positions, intents and keys, orders, trades, events."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.ports.journal import IntentState
from backend.store.models import Base, RowNumber
from backend.store.types import ExactDecimal, UtcDateTime


class AccountRow(Base):
    """One exchange in one mode; `baseline` is the value that profit is counted from."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String, primary_key=True)
    baseline: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BalanceRow(Base):
    """An asset's present total; `opened` is what the account began with, if it had the asset."""

    __tablename__ = "account_balances"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    asset: Mapped[str] = mapped_column(String, primary_key=True)
    opened: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    total: Mapped[Decimal] = mapped_column(ExactDecimal)


class IntentRow(Base):
    """An order that somebody asked for; texts that begin with { or [ are JSON here and below."""

    __tablename__ = "order_intents"
    __table_args__ = (
        Index(
            "ix_order_intents_open",
            "account",
            sqlite_where=text("state = 'intended'"),
            postgresql_where=text("state = 'intended'"),
        ),
    )

    order_id: Mapped[str] = mapped_column(String, primary_key=True)
    user_id: Mapped[str] = mapped_column(String)
    keys: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String)
    asked: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    state: Mapped[IntentState] = mapped_column(String(16))
    answer: Mapped[str | None] = mapped_column(Text)


class IntentKeyRow(Base):
    """What makes an intent unique for its user, as long as it is young enough."""

    __tablename__ = "order_intent_keys"
    __table_args__ = ({"sqlite_with_rowid": False},)

    user_id: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(String, primary_key=True)
    order_id: Mapped[str] = mapped_column(
        ForeignKey("order_intents.order_id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OrderRow(Base):
    """An order's present state; `body` is the order as it is served."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_place_side", "place", "side"),
        Index("ix_orders_symbol_place_side", "symbol", "place", "side"),
        Index(
            "ix_orders_client_order_id_place",
            "client_order_id",
            "place",
            sqlite_where=text("client_order_id IS NOT NULL"),
            postgresql_where=text("client_order_id IS NOT NULL"),
        ),
        Index(
            "ix_orders_open",
            "place",
            sqlite_where=text("is_open = 1"),
            postgresql_where=text("is_open"),
        ),
    )

    id: Mapped[str] = mapped_column(String, primary_key=True)
    place: Mapped[int] = mapped_column(RowNumber)
    account: Mapped[str] = mapped_column(String)
    client_order_id: Mapped[str | None] = mapped_column(String)
    symbol: Mapped[str] = mapped_column(String)
    side: Mapped[str] = mapped_column(String(4))
    is_open: Mapped[bool]
    body: Mapped[str] = mapped_column(Text)
    rebuild: Mapped[str] = mapped_column(Text)


class TradeRow(Base):
    """One execution; `changes` are what it did to the account's totals."""

    __tablename__ = "trades"
    __table_args__ = (
        Index("ix_trades_place_executed_at", "place", "executed_at"),
        Index("ix_trades_symbol_place_executed_at", "symbol", "place", "executed_at"),
    )

    id: Mapped[str] = mapped_column(String, primary_key=True)
    place: Mapped[int] = mapped_column(RowNumber)
    account: Mapped[str] = mapped_column(String)
    symbol: Mapped[str] = mapped_column(String)
    executed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[str] = mapped_column(Text)
    changes: Mapped[str] = mapped_column(Text)


class PositionRow(Base):
    """A paper position's present state and settings."""

    __tablename__ = "positions"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(String, primary_key=True)
    body: Mapped[str] = mapped_column(Text)


class MemoRow(Base):
    """Something that the bot must know again after a restart; `body` is JSON."""

    __tablename__ = "bot_memos"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: Mapped[str] = mapped_column(String, primary_key=True)
    body: Mapped[str] = mapped_column(Text)


class EventRow(Base):
    """A journalled event; a number is never given out twice."""

    __tablename__ = "journal_events"
    __table_args__ = (
        Index("ix_journal_events_topic_sequence", "topic", "sequence"),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    topic: Mapped[str] = mapped_column(String)
    name: Mapped[str] = mapped_column(String)
    key: Mapped[str] = mapped_column(String)
    symbol: Mapped[str | None] = mapped_column(String)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    ends: Mapped[bool]


class BatchRow(Base):
    """A committed batch, remembered for a while so that it is not committed again.

    So few rows stand here that they share a page: that is what keeps the id cheap.
    """

    __tablename__ = "journal_batches"
    __table_args__ = ({"sqlite_with_rowid": False},)

    id: Mapped[str] = mapped_column(String, primary_key=True)
    number: Mapped[int] = mapped_column(RowNumber)
