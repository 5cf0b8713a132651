"""API keys of exchange accounts, as the stored credentials hand them to the bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ExchangeKeys:
    """What opens an account at an exchange; its text never shows it."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    api_password: str | None = field(default=None, repr=False)
    sandboxed: bool = False


KeySource = Callable[[], Mapping[str, ExchangeKeys | None]]


def no_keys() -> Mapping[str, ExchangeKeys | None]:
    """Return that nothing is stored."""
    return {}
