"""Tables of the order journal (accounts, intents, orders, trades, events) and snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    _create_accounts()
    _create_intents()
    _create_orders()
    _create_trades()
    _create_events()
    _create_snapshots()


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("baseline", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "account_balances",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("opened", sa.Text()),
        sa.Column("total", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "asset", name=op.f("pk_account_balances")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_account_balances_account")
        ),
        sqlite_with_rowid=False,
    )


def _create_intents() -> None:
    op.create_table(
        "order_intents",
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_intents")),
    )
    op.create_table(
        "order_intent_keys",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_order_intent_keys")),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["order_intents.order_id"],
            name=op.f("fk_order_intent_keys_order_id"),
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_order_intents_created_at"), "order_intents", ["created_at"])
    op.create_index(
        "ix_order_intents_open",
        "order_intents",
        ["account"],
        sqlite_where=sa.text("state = 'intended'"),
        postgresql_where=sa.text("state = 'intended'"),
    )
    op.create_index(op.f("ix_order_intent_keys_order_id"), "order_intent_keys", ["order_id"])


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("place", _NUMBER, nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("client_order_id", sa.String()),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("rebuild", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_place_side", "orders", ["place", "side"])
    op.create_index("ix_orders_symbol_place_side", "orders", ["symbol", "place", "side"])
    op.create_index(
        "ix_orders_client_order_id_place",
        "orders",
        ["client_order_id", "place"],
        sqlite_where=sa.text("client_order_id IS NOT NULL"),
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_index(
        "ix_orders_open",
        "orders",
        ["place"],
        sqlite_where=sa.text("is_open = 1"),
        postgresql_where=sa.text("is_open"),
    )


def _create_trades() -> None:
    op.create_table(
        "trades",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("place", _NUMBER, nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("executed_at", _TIME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trades")),
    )
    op.create_index("ix_trades_place_executed_at", "trades", ["place", "executed_at"])
    op.create_index(
        "ix_trades_symbol_place_executed_at", "trades", ["symbol", "place", "executed_at"]
    )


def _create_events() -> None:
    op.create_table(
        "journal_events",
        sa.Column("sequence", _NUMBER, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("symbol", sa.String()),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("ends", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_journal_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_events_topic_sequence", "journal_events", ["topic", "sequence"])
    op.create_table(
        "journal_batches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_batches")),
        sqlite_with_rowid=False,
    )


def _create_snapshots() -> None:
    op.create_table(
        "portfolio_snapshots",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.Column("reference_market", sa.String(), nullable=False),
        sa.Column("total_value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "taken_at", name=op.f("pk_portfolio_snapshots")),
        sqlite_with_rowid=False,
    )
