"""API keys of the bot's exchange accounts: added at each start, compared with the store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.bridge.status import BootFailed
from backend.errors import Conflict, CredentialsUnreadable
from backend.ports.exchange_keys import ExchangeKeys, KeySource
from backend.sandbox import SANDBOX, SANDBOX_KEY
from backend.schemas.bot import Bot

Keys = Mapping[str, ExchangeKeys | None]


class RestartableBot(Protocol):
    """A bot that is restarted to use other keys."""

    def status(self) -> Bot:
        """Return the bot's state."""

    def restart(self) -> Bot:
        """Stop the bot and start it again; raises `Conflict` while it is started or stopped."""


class AccountCredentials:
    """Adds stored keys to each start of the bot and detects that the store has changed since.

    Paper trading uses no keys.
    """

    def __init__(self, source: KeySource, *, real: bool) -> None:
        self._source = source
        self._real = real
        self._lock = threading.Lock()
        self._exchanges: frozenset[str] = frozenset()
        self._used: Keys | None = None

    def add_to(self, configuration: InMemoryKeysConfiguration) -> None:
        """Add the keys to the configuration of a bot that is about to start.

        Raises `BootFailed` when they cannot be read, or when no exchange is left to trade on.
        """
        self._used = None
        self._exchanges = frozenset(configuration.exchanges)
        try:
            stored = self._stored()
        except CredentialsUnreadable as error:
            raise BootFailed(f"stored keys cannot be read: {error.details}") from None
        self._used = stored
        if self._real and SANDBOX in self._exchanges and SANDBOX not in stored:
            configuration.set_keys(SANDBOX, ExchangeKeys(SANDBOX_KEY, SANDBOX_KEY))
        for exchange, keys in stored.items():
            configuration.set_keys(exchange, keys)
        if stored and all(stored.get(name, ...) is None for name in self._exchanges):
            raise BootFailed("no exchange has keys that are enabled for real trading")

    def is_used(self, exchange: str) -> bool:
        """Return whether the bot was last started with stored keys of an exchange."""
        return (self._used or {}).get(exchange) is not None

    def is_stale(self) -> bool:
        """Return whether the store's keys differ from those that the bot started with; blocks."""
        try:
            return self._used is not None and self._used != self._stored()
        except CredentialsUnreadable:
            return True

    def apply(self, bot: RestartableBot) -> bool:
        """Restart the bot if the stored keys differ from those that it started with.

        A paused bot stays paused. Returns False when the restart is still to be done,
        because another start or stop of the bot is in progress.
        """
        with self._lock:
            state = bot.status().state
            if state == "stopped" or not (self.is_stale() or self._has_failed(state)):
                return True
            if state not in ("running", "paused", "starting", "failed"):
                return False
            try:
                bot.restart()
            except Conflict:
                return False
            return True

    def _has_failed(self, state: str) -> bool:
        return state == "failed" and self._used is None

    def _stored(self) -> Keys:
        """Return the stored keys of the bot's exchanges."""
        if not self._real:
            return {}
        return {name: keys for name, keys in self._source().items() if name in self._exchanges}
