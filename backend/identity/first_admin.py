"""The first admin, who is created at the first start."""

from __future__ import annotations

import secrets

from backend.identity.users import Users
from backend.settings.model import Settings, SettingsError
from backend.settings.password_rules import password_weakness
from backend.store import Database, users


def require_some_user(database: Database) -> None:
    """Raise `SettingsError` in an empty database.

    A generated password would be printed, and service managers store the output.
    """
    if not database.read(users.exists):
        raise SettingsError("BACKEND_ADMIN_PASSWORD: in production, the first start takes one")


def ensure_first_admin(database: Database, to_users: Users, settings: Settings) -> str | None:
    """Create the admin if there is no user at all.

    Returns the password if it was generated: print it once, never log it.
    """
    if database.read(users.exists):
        return None
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    password = given or secrets.token_urlsafe(16)
    weakness = password_weakness(password, settings.admin_username, "admin")
    if weakness is not None:
        raise SettingsError(f"BACKEND_ADMIN_PASSWORD: {weakness}")
    to_users.create(settings.admin_username, password, "admin")
    return None if given else password
