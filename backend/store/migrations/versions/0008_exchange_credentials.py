"""Table of encrypted exchange API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "exchange_credentials",
        sa.Column("exchange", sa.String(32), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("hint", sa.String(4), nullable=False),
        sa.Column("has_password", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("trading", sa.String(8), nullable=False),
        sa.Column("sandboxed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tested_at", sa.DateTime(timezone=True)),
        sa.Column("test_outcome", sa.String(32)),
        sa.PrimaryKeyConstraint("exchange", name=op.f("pk_exchange_credentials")),
    )
