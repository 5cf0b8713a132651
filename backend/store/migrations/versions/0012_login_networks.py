"""Networks that users have logged in from; sessions that are open tell the first ones."""

from __future__ import annotations

import ipaddress

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SESSIONS = sa.text(
    "SELECT refresh_families.user_id, refresh_tokens.address, refresh_tokens.created_at"
    " FROM refresh_tokens JOIN refresh_families"
    " ON refresh_families.id = refresh_tokens.family_id"
    " WHERE refresh_families.revoked_at IS NULL ORDER BY refresh_tokens.created_at"
).columns(
    sa.column("user_id", sa.String),
    sa.column("address", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    """Create the table and fill it."""
    table = op.create_table(
        "login_networks",
        sa.Column("user_id", sa.String(32), nullable=False),
        sa.Column("network", sa.String(45), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_login_networks_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "network", name=op.f("pk_login_networks")),
    )
    last = {
        (user_id, _network(address)): at
        for user_id, address, at in op.get_bind().execute(_SESSIONS)
    }
    rows = [
        {"user_id": user_id, "network": network, "last_login_at": at}
        for (user_id, network), at in last.items()
    ]
    if rows:
        op.bulk_insert(table, rows)


def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
