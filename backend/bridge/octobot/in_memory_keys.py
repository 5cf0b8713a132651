"""OctoBot's configuration with keys in it that are in memory only, never in its files."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import octobot_commons.configuration as commons_configuration
import octobot_commons.constants as commons_constants
from octobot_commons.configuration import Configuration

from backend.observability.masking import conceal
from backend.ports.exchange_keys import ExchangeKeys

KEY_FIELDS = (
    commons_constants.CONFIG_EXCHANGE_KEY,
    commons_constants.CONFIG_EXCHANGE_SECRET,
    commons_constants.CONFIG_EXCHANGE_PASSWORD,
)
_ENABLED = commons_constants.CONFIG_ENABLED_OPTION
_SANDBOXED = commons_constants.CONFIG_EXCHANGE_SANDBOXED
_HELD = (*KEY_FIELDS, _ENABLED, _SANDBOXED)


class InMemoryKeysConfiguration(Configuration):  # type: ignore[misc]  # OctoBot is untyped
    """OctoBot's configuration, whose `save` writes nothing that `hold` put in.

    OctoBot saves it on its own accord, and encrypts keys under one that stands
    in its source.
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

    def hold(self, exchange: str, keys: ExchangeKeys | None) -> None:
        """Have the bot use these keys, or leave the exchange out."""
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
        conceal(*secrets, *sealed.values())
        exchanges[exchange] = {**row, **sealed, _SANDBOXED: keys.sandboxed}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it as it was read, but for what OctoBot changed itself."""
        held = self.config
        self.config = self._without_held(held)
        try:
            super().save(*args, **kwargs)
        finally:
            self.config = held

    def _without_held(self, config: dict[str, Any]) -> dict[str, Any]:
        clean = copy.deepcopy(config)
        exchanges = clean[commons_constants.CONFIG_EXCHANGES]
        for exchange, row in self._as_read.items():
            if exchange in exchanges:
                kept = {k: v for k, v in exchanges[exchange].items() if k not in _HELD}
                exchanges[exchange] = kept | {k: v for k, v in row.items() if k in _HELD}
        return clean
