"""Hash chain of the audit, and each request's body."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CONTENT = (
    "occurred_at",
    "action",
    "user_id",
    "username",
    "address",
    "method",
    "path",
    "status",
    "outcome",
    "request_id",
    "change",
)
_SQLITE_GUARD = (
    "CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries "
    "BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END"
)


def upgrade() -> None:
    """Add the columns, link the existing entries, and store the chain's end."""
    op.add_column("audit_entries", sa.Column("change", sa.String(2000)))
    op.add_column(
        "audit_entries", sa.Column("hash", sa.String(64), nullable=False, server_default="none")
    )
    op.create_index(op.f("ix_audit_entries_occurred_at"), "audit_entries", ["occurred_at"])
    end = op.create_table(
        "audit_end",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_end")),
    )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if on_sqlite:
        op.execute("DROP TRIGGER audit_entries_no_update")
    else:
        op.execute("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only")
    op.bulk_insert(end, [{"id": 1, "hash": _link_entries()}])
    if on_sqlite:
        op.execute(_SQLITE_GUARD)
    else:
        op.execute("ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_append_only")


def _link_entries() -> str:
    """Set the hash of each entry and return the last one."""
    columns: list[sa.ColumnClause[Any]] = [
        sa.column("id"),
        sa.column("hash"),
        *map(sa.column, _CONTENT[1:]),
    ]
    entries = sa.table(
        "audit_entries", sa.column("occurred_at", sa.DateTime(timezone=True)), *columns
    )
    connection, reached = op.get_bind(), "0" * 64
    for entry in connection.execute(sa.select(entries).order_by(entries.c.id)).mappings().all():
        content = json.dumps([reached, *(_plain(entry[name]) for name in _CONTENT)])
        reached = hashlib.sha256(content.encode("ascii")).hexdigest()
        change = sa.update(entries).where(entries.c.id == entry["id"]).values(hash=reached)
        connection.execute(change)
    return reached


def _plain(value: Any) -> Any:  # noqa: ANN401 - a column's value
    if not isinstance(value, datetime):
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)  # SQLite has no zones
    return aware.astimezone(timezone.utc).isoformat(timespec="microseconds")
