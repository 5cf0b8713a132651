"""Networks that mailed codes were requested from, and attempts at them from other ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    network = sa.Column("network", sa.String(45))
    tries = sa.Column("foreign_tries", sa.Integer(), nullable=False, server_default="0")
    op.add_column("mailed_codes", network)
    op.add_column("mailed_codes", tries)
