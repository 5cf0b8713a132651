"""Credentials service: stores, lists, changes, removes and tests exchange API keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from backend.concurrency.host import Host
from backend.errors import (
    Conflict,
    CredentialsNotFound,
    ExchangeUnknown,
    FieldError,
    ValidationFailed,
)
from backend.ports.exchange_keys import ExchangeKeys, KeySource
from backend.schemas.common import utc_now
from backend.schemas.exchange_keys import (
    ConnectionTest,
    Credentials,
    CredentialsChange,
    CredentialsRemoval,
    NewCredentials,
)
from backend.settings.model import Settings
from backend.store import Database, credentials
from backend.store.account_models import ExchangeCredentials
from backend.store.encryption import Cipher

if TYPE_CHECKING:
    from backend.bridge import Bridge

_ID = re.compile(r"[a-z0-9_]{1,32}")
_NOT_STORED = "no keys of this exchange are stored"
_HINT_LENGTH = 4
_MIN_LENGTH_WITH_HINT = 12
_MASK = "********"


def stored_keys(settings: Settings, database: Database) -> KeySource:
    """Return the bot's source of keys: the stored ones that are enabled and trade for real."""
    cipher = Cipher(settings)

    def keys() -> Mapping[str, ExchangeKeys | None]:
        return {
            row.exchange: _decrypt(cipher, row) if row.enabled and row.trading == "real" else None
            for row in database.read(credentials.list_all)
        }

    return keys


class CredentialsService:
    """Exchange credentials of one app. Thread-safe.

    A change of the keys that a running bot trades with restarts the bot, so that it
    is in force at once.
    """

    def __init__(self, settings: Settings, database: Database, host: Host, bridge: Bridge) -> None:
        self.cipher = Cipher(settings)
        self._database = database
        self._host = host
        self._bridge = bridge

    def list_all(self) -> list[Credentials]:
        """Return the credentials of all exchanges, masked."""
        rows = self._database.read(credentials.list_all)
        stale = self._host.call_blocking(self._bridge.account_credentials.is_stale)
        return [self._view(row, restart_required=stale) for row in rows]

    def get(self, exchange: str) -> Credentials:
        """Return the credentials of an exchange, masked."""
        stale = self._host.call_blocking(self._bridge.account_credentials.is_stale)
        return self._view(self._row(exchange), restart_required=stale)

    def add(self, exchange: str, new: NewCredentials) -> Credentials:
        """Store the first keys of an exchange; raises `Conflict` when it has keys already."""
        if not self._bridge.key_check.knows(exchange):
            raise ExchangeUnknown("exchanges have ccxt's ids, such as binance")
        self._check_testnet(exchange, new.sandboxed)
        now = utc_now()
        row = ExchangeCredentials(
            exchange=exchange,
            enabled=new.enabled,
            trading=new.trading,
            sandboxed=new.sandboxed,
            created_at=now,
            updated_at=now,
        )
        self._encrypt(row, _secrets_in(new))
        try:
            added = self._database.write(credentials.insert, row)
        except IntegrityError:  # a concurrent request was first
            added = False
        if not added:
            raise Conflict("keys of this exchange are stored: change or delete them")
        return self._apply_and_view(row)

    def change(self, exchange: str, changes: CredentialsChange) -> Credentials:
        """Change the given fields of stored credentials."""
        self._row(exchange)
        self._check_testnet(exchange, bool(changes.sandboxed))

        def edit(row: ExchangeCredentials) -> None:
            secrets = _secrets_in(changes)
            if secrets or "api_password" in changes.model_fields_set:
                self._encrypt(row, self._unchanged_secrets(changes, row) | secrets)
                row.tested_at = row.test_outcome = None
            for name in {"enabled", "trading", "sandboxed"} & changes.model_fields_set:
                if getattr(changes, name) is not None:
                    setattr(row, name, getattr(changes, name))
            row.updated_at = utc_now()

        row = self._database.write(credentials.update, exchange, edit)
        if row is None:
            raise CredentialsNotFound(_NOT_STORED)
        return self._apply_and_view(row)

    def remove(self, exchange: str) -> CredentialsRemoval:
        """Delete the credentials of an exchange."""
        self._row(exchange)
        if not self._database.write(credentials.delete, exchange):
            raise CredentialsNotFound(_NOT_STORED)
        stale = not self._host.call_blocking(
            self._bridge.account_credentials.apply, self._bridge.bot
        )
        return CredentialsRemoval(exchange=exchange, restart_required=stale)

    def test(self, exchange: str) -> ConnectionTest:
        """Test the stored keys by fetching balances from the exchange, and store the outcome."""
        row = self._row(exchange)
        keys = _decrypt(self.cipher, row)
        outcome = self._host.call_blocking(self._bridge.key_check.check, exchange, keys)
        result = ConnectionTest(outcome=outcome, tested_at=utc_now())
        self._database.write(
            credentials.record_test, exchange, row.updated_at, outcome, result.tested_at
        )
        return result

    def _row(self, exchange: str) -> ExchangeCredentials:
        row = self._database.read(credentials.get, exchange) if _ID.fullmatch(exchange) else None
        if row is None:
            raise CredentialsNotFound(_NOT_STORED)
        return row

    def _check_testnet(self, exchange: str, sandboxed: bool) -> None:
        has_testnet = self._bridge.key_check.has_testnet
        if sandboxed and not self._host.call_blocking(has_testnet, exchange):
            raise ValidationFailed(
                fields=[FieldError("sandboxed", "this exchange has no test network")]
            )

    def _unchanged_secrets(
        self, changes: CredentialsChange, row: ExchangeCredentials
    ) -> dict[str, str]:
        """Return the secrets that a change keeps; replaced ones need not be decryptable."""
        keeps_password = row.has_password and "api_password" not in changes.model_fields_set
        if changes.api_key is not None and not keeps_password:
            return {}
        stored = self.cipher.decrypt(row.exchange, row.sealed)
        return {name: stored[name] for name in stored if name != "api_password" or keeps_password}

    def _encrypt(self, row: ExchangeCredentials, content: dict[str, str]) -> None:
        key = content["api_key"]
        row.sealed = self.cipher.encrypt(row.exchange, content)
        row.hint = key[-_HINT_LENGTH:] if len(key) >= _MIN_LENGTH_WITH_HINT else ""
        row.has_password = "api_password" in content

    def _apply_and_view(self, row: ExchangeCredentials) -> Credentials:
        stale = not self._host.call_blocking(
            self._bridge.account_credentials.apply, self._bridge.bot
        )
        return self._view(row, restart_required=stale)

    def _view(self, row: ExchangeCredentials, *, restart_required: bool) -> Credentials:
        tested = None
        if row.tested_at is not None:
            tested = ConnectionTest.model_validate(
                {"outcome": row.test_outcome, "tested_at": row.tested_at}
            )
        return Credentials(
            exchange=row.exchange,
            api_key=_MASK + row.hint,
            has_password=row.has_password,
            enabled=row.enabled,
            trading=row.trading,
            sandboxed=row.sandboxed,
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_test=tested,
            in_use=self._bridge.account_credentials.is_used(row.exchange),
            restart_required=restart_required,
        )


def _secrets_in(request: NewCredentials | CredentialsChange) -> dict[str, str]:
    """Return the secrets in a request, without surrounding whitespace."""
    secrets = {
        "api_key": request.api_key,
        "api_secret": request.api_secret,
        "api_password": request.api_password,
    }
    return {
        name: secret.get_secret_value().strip()
        for name, secret in secrets.items()
        if secret is not None
    }


def _decrypt(cipher: Cipher, row: ExchangeCredentials) -> ExchangeKeys:
    content = cipher.decrypt(row.exchange, row.sealed)
    return ExchangeKeys(**content, sandboxed=row.sandboxed)
