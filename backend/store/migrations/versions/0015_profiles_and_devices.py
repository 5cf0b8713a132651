"""Profiles and referrals of users, device names and remembered sessions; users get codes."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_CODE_LENGTH = 12


def upgrade() -> None:
    """Add the columns, and give each user a referral code."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("name", sa.String(100)))
        users.add_column(sa.Column("phone", sa.String(16)))
        users.add_column(sa.Column("referral_code", sa.String(_CODE_LENGTH)))
        users.add_column(sa.Column("invited_by", sa.String(32)))
        users.add_column(
            sa.Column(
                "password_fits_admin", sa.Boolean(), nullable=False, server_default=sa.false()
            )
        )
    _generate_codes()
    with op.batch_alter_table("users") as users:
        users.alter_column("referral_code", existing_type=sa.String(_CODE_LENGTH), nullable=False)
        users.create_unique_constraint(op.f("uq_users_referral_code"), ["referral_code"])
        users.create_foreign_key(
            op.f("fk_users_invited_by"), "users", ["invited_by"], ["id"], ondelete="SET NULL"
        )
    op.create_index(op.f("ix_users_invited_by"), "users", ["invited_by"])
    op.add_column("refresh_families", sa.Column("device_name", sa.String(60)))
    op.add_column(
        "refresh_families",
        sa.Column("remembered", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def _generate_codes() -> None:
    users = sa.table("users", sa.column("id"), sa.column("referral_code"))
    connection = op.get_bind()
    for user_id in connection.scalars(sa.select(users.c.id)).all():
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
        changed = users.update().where(users.c.id == user_id).values(referral_code=code)
        connection.execute(changed)
