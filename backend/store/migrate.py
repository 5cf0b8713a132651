"""Alembic upgrade of the database schema, run at every start."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
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
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise LookupError("the database was written by a newer version") from None


def revision_of(connection: Connection) -> str | None:
    """Return the schema revision of a database, None before its first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def known_revisions() -> list[str]:
    """Return the schema revisions of this version, the newest first."""
    scripts = ScriptDirectory.from_config(_config())
    return [script.revision for script in scripts.walk_revisions()]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "backend.store:migrations")
    return config
