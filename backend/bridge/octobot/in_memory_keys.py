"""OctoBot configuration whose exchange keys stay in memory and are never written to its files."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import octobot_commons.configuration as commons_configuration
import octobot_commons.constants as commons_constants
from octobot_commons.configuration import Configuration

from backend.observability.masking import register_secrets
from backend.ports.exchange_keys import ExchangeKeys

KEY_FIELDS = (
    commons_constants.CONFIG_EXCHANGE_KEY,
    commons_constants.CONFIG_EXCHANGE_SECRET,
    commons_constants.CONFIG_EXCHANGE_PASSWORD,
)
_ENABLED = commons_constants.CONFIG_ENABLED_OPTION
_SANDBOXED = commons_constants.CONFIG_EXCHANGE_SANDBOXED
_IN_MEMORY = (*KEY_FIELDS, _ENABLED, _SANDBOXED)


class InMemoryKeysConfiguration(Configuration):  # type: ignore[misc]  # OctoBot is untyped
    """OctoBot's configuration; its `save` omits the keys set by `set_keys`.

    OctoBot saves it on its own accord, and encrypts keys with one that is public in its source.
    """

    config: dict[str, Any]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._as_read: dict[str, dict[str, Any]] = {}

    @property
    def exchanges(self) -> Collection[str]:
        """The names of the configured exchanges."""
        names: Collection[str] = self.config[commons_constants.CONFIG_EXCHANGES].keys()
        return names

    def set_keys(self, exchange: str, keys: ExchangeKeys | None) -> None:
        """Set an exchange's keys in memory; None disables the exchange."""
        exchanges = self.config[commons_constants.CONFIG_EXCHANGES]
        row = exchanges[exchange]
        self._as_read[exchange] = copy.deepcopy(row)
        if keys is None:
            exchanges[exchange] = {**row, _ENABLED: False}
            return
        secrets = (keys.api_key, keys.api_secret, keys.api_password)
        sealed = {
            name: commons_configuration.encrypt(secret).decode() if secret else ""
            for name, secret in zip(KEY_FIELDS, secrets, strict=True)
        }
        register_secrets(*secrets, *sealed.values())
        exchanges[exchange] = {**row, **sealed, _SANDBOXED: keys.sandboxed}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the configuration without the keys in memory, but with OctoBot's own changes."""
        with_keys = self.config
        self.config = self._without_keys(with_keys)
        try:
            super().save(*args, **kwargs)
        finally:
            self.config = with_keys

    def _without_keys(self, config: dict[str, Any]) -> dict[str, Any]:
        clean = copy.deepcopy(config)
        exchanges = clean[commons_constants.CONFIG_EXCHANGES]
        for exchange, row in self._as_read.items():
            if exchange in exchanges:
                kept = {k: v for k, v in exchanges[exchange].items() if k not in _IN_MEMORY}
                exchanges[exchange] = kept | {k: v for k, v in row.items() if k in _IN_MEMORY}
        return clean
