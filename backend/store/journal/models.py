"""Journal tables: accounts, balances, positions, intents and keys, orders, trades, events."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.ports.journal import IntentState
from backend.store.models import Base, RowNumber
from backend.store.types import ExactDecimal, UtcDateTime


class AccountRow(Base):
    """Exchange account in one trading mode; profit is calculated from `baseline`."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String, primary_key=True)
    baseline: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BalanceRow(Base):
    """Present total of an asset; `opened` is the opening balance, None if there was none."""

    __tablename__ = "account_balances"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    asset: Mapped[str] = mapped_column(String, primary_key=True)
    opened: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    total: Mapped[Decimal] = mapped_column(ExactDecimal)


class IntentRow(Base):
    """Order request, written before the bot receives it; `keys`, `asked`, `answer` are JSON."""

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
    """Idempotency key of an intent, unique for its user."""

    __tablename__ = "order_intent_keys"
    __table_args__ = ({"sqlite_with_rowid": False},)

    user_id: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(String, primary_key=True)
    order_id: Mapped[str] = mapped_column(
        ForeignKey("order_intents.order_id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OrderRow(Base):
    """Present state of an order; `body` is the order as the API returns it."""

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
    """Execution; `changes` are the balance changes that it caused."""

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
    """Present state and settings of a paper position."""

    __tablename__ = "positions"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(String, primary_key=True)
    body: Mapped[str] = mapped_column(Text)


class BotStateRow(Base):
    """Named object that the bot restores after a restart; `body` is JSON."""

    __tablename__ = "bot_memos"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: Mapped[str] = mapped_column(String, primary_key=True)
    body: Mapped[str] = mapped_column(Text)


class EventRow(Base):
    """Journalled event; a sequence number is never reused."""

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
    """Id of a committed batch, kept for a while so that a retry is not committed again.

    The table stays so small that it fits one page, which keeps the insert cheap.
    """

    __tablename__ = "journal_batches"
    __table_args__ = ({"sqlite_with_rowid": False},)

    id: Mapped[str] = mapped_column(String, primary_key=True)
    number: Mapped[int] = mapped_column(RowNumber)
