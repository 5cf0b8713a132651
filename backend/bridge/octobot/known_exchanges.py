"""Check of the configured exchanges' names before a bot tries to connect to them."""

from __future__ import annotations

import difflib

import ccxt.async_support

from backend.bridge.octobot.user_folder import is_adopted
from backend.sandbox import SANDBOX
from backend.settings.model import Settings, SettingsError


def require_known_exchanges(settings: Settings) -> None:
    """Raise `SettingsError` when the settings name an exchange that ccxt does not have.

    A folder of the user's own has its own profile, and perhaps tentacles that add exchanges.
    """
    if is_adopted(settings):
        return
    for name in settings.exchange:
        if not is_known(name):
            close = difflib.get_close_matches(name, [SANDBOX, *ccxt.async_support.exchanges])
            hint = f"; close to it: {', '.join(close)}" if close else ""
            raise SettingsError(f"BACKEND_EXCHANGE: ccxt knows no exchange {name}{hint}")


def is_known(name: str) -> bool:
    """Return whether ccxt or the sandbox has an exchange of this id."""
    return name == SANDBOX or name in ccxt.async_support.exchanges
