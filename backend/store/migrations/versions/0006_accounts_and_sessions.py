"""Columns for e-mail addresses, password changes and last use; table of the version counter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("email", sa.String(254)))
        users.add_column(
            sa.Column(
                "must_change_password", sa.Boolean(), nullable=False, server_default=sa.false()
            )
        )
        users.create_unique_constraint(op.f("uq_users_email"), ["email"])
        users.create_check_constraint(op.f("ck_users_email_lower"), "email = lower(email)")
    op.add_column("refresh_families", sa.Column("last_used_at", sa.DateTime(timezone=True)))
    op.add_column("refresh_families", sa.Column("last_address", sa.String(45)))
    changes = op.create_table(
        "identity_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_changes")),
    )
    op.bulk_insert(changes, [{"id": 1, "number": 0}])
