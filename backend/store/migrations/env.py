"""Alembic environment: runs the migrations on the connection passed to `migrate`."""

from __future__ import annotations

from alembic import context

from backend.store import (  # noqa: F401 - they add their tables
    account_models,
    oidc_models,
    passkey_models,
)
from backend.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)

with context.begin_transaction():
    context.run_migrations()
