"""Alembic upgrade of the database schema, run at every start."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

_ADVISORY_LOCK = 0x0C70B07


def migrate(connection: Connection) -> None:
    """Run the pending migrations, all or none.

    Call it inside a writing transaction, which excludes a process that starts meanwhile.
    Raises LookupError when the database knows a migration that this version does not.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    config = Config()
    config.set_main_option("script_location", "backend.store:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise LookupError("the database was written by a newer version") from None
