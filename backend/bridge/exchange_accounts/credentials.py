"""The stored keys on their way to the bot: given to each start, compared with what is stored."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import octobot_commons.constants as commons_constants

from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.bridge.status import BootFailed
from backend.errors import Conflict, CredentialsUnreadable
from backend.ports.exchange_keys import ExchangeKeys, KeySource
from backend.sandbox.control import SANDBOX, SANDBOX_KEY

if TYPE_CHECKING:
    from backend.bridge.runtime.commands import BotCommands

Keys = Mapping[str, ExchangeKeys | None]


class AccountCredentials:
    """Hands stored keys to each start of the bot and knows whether they are still the same.

    Nothing is handed out for paper money.
    """

    def __init__(self, source: KeySource, *, real: bool) -> None:
        self._source = source
        self._real = real
        self._lock = threading.Lock()
        self._exchanges: frozenset[str] = frozenset()
        self._taken: Keys | None = None

    def give(self, configuration: InMemoryKeysConfiguration) -> None:
        """Put the keys into the configuration of a bot that is about to start.

        Raises `BootFailed` when they cannot be read, or leave nothing to trade on.
        """
        self._taken = None
        self._exchanges = frozenset(configuration.config[commons_constants.CONFIG_EXCHANGES])
        try:
            taken = self._present()
        except CredentialsUnreadable as error:
            raise BootFailed(f"stored keys cannot be read: {error.details}") from None
        self._taken = taken
        if self._real and SANDBOX in self._exchanges and SANDBOX not in taken:
            configuration.hold(SANDBOX, ExchangeKeys(SANDBOX_KEY, SANDBOX_KEY))
        for exchange, keys in taken.items():
            configuration.hold(exchange, keys)
        if taken and all(taken.get(name, ...) is None for name in self._exchanges):
            raise BootFailed("no exchange has keys that are enabled for real trading")

    def is_used(self, exchange: str) -> bool:
        """Whether the bot was last started with stored keys of an exchange."""
        return (self._taken or {}).get(exchange) is not None

    def is_stale(self) -> bool:
        """Whether the bot was started with other keys than are stored now. Reads the store."""
        try:
            return self._taken is not None and self._taken != self._present()
        except CredentialsUnreadable:
            return True

    def apply(self, bot: BotCommands) -> bool:
        """Restart the bot if it was started with other keys than are stored now.

        A paused bot stays paused. Returns False when the restart is left to be
        done, because the bot is being started or stopped by somebody else.
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
        return state == "failed" and self._taken is None

    def _present(self) -> Keys:
        """Return what is stored for the bot's exchanges."""
        if not self._real:
            return {}
        return {name: keys for name, keys in self._source().items() if name in self._exchanges}
