"""API keys of exchange accounts, as passed from the stored credentials to the bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ExchangeKeys:
    """API key, secret and passphrase of one exchange account; `repr` shows none of them."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    api_password: str | None = field(default=None, repr=False)
    sandboxed: bool = False


KeySource = Callable[[], Mapping[str, ExchangeKeys | None]]


def no_keys() -> Mapping[str, ExchangeKeys | None]:
    """Return no keys: the `KeySource` of a bot without stored credentials."""
    return {}
