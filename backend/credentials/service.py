"""What may be asked about exchange connections: store, show, change, remove, test."""

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
from backend.store.encryption import Cipher
from backend.store.models import ExchangeCredentials

if TYPE_CHECKING:
    from backend.bridge import Bridge

_ID = re.compile(r"[a-z0-9_]{1,32}")
_NONE = "no keys of this exchange are stored"
_HINT = 4
_SHORTEST_WITH_HINT = 12
_MASK = "********"


def stored_keys(settings: Settings, database: Database) -> KeySource:
    """Return where the bot gets its keys: those of enabled connections that trade for real."""
    sealer = Cipher(settings)

    def keys() -> Mapping[str, ExchangeKeys | None]:
        return {
            row.exchange: _opened(sealer, row) if row.enabled and row.trading == "real" else None
            for row in database.read(credentials.all_kept)
        }

    return keys


class ExchangeConnections:
    """For one app; may be called from any thread.

    What changes the keys that a running bot trades with restarts the bot, so
    that a key is used, or no longer used, from then on.
    """

    def __init__(self, settings: Settings, database: Database, host: Host, bridge: Bridge) -> None:
        self.sealer = Cipher(settings)
        self._database = database
        self._host = host
        self._bridge = bridge

    def all(self) -> list[Credentials]:
        """Return all, by exchange, as far as they are shown."""
        rows = self._database.read(credentials.all_kept)
        stale = self._host.call_blocking(self._bridge.account_credentials.is_stale)
        return [self._shown(row, restart_required=stale) for row in rows]

    def get(self, exchange: str) -> Credentials:
        """Return those of an exchange as far as they are shown."""
        stale = self._host.call_blocking(self._bridge.account_credentials.is_stale)
        return self._shown(self._row(exchange), restart_required=stale)

    def add(self, exchange: str, new: NewCredentials) -> Credentials:
        """Store the first keys of an exchange; raises `Conflict` when it has some."""
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
        self._seal(row, _given(new))
        try:
            added = self._database.write(credentials.add, row)
        except IntegrityError:  # another was quicker
            added = False
        if not added:
            raise Conflict("keys of this exchange are stored: change or delete them")
        return self._applied(row)

    def change(self, exchange: str, wanted: CredentialsChange) -> Credentials:
        """Change what is named, of the keys and of how they are used."""
        self._row(exchange)
        self._check_testnet(exchange, bool(wanted.sandboxed))

        def edit(row: ExchangeCredentials) -> None:
            given = _given(wanted)
            if given or "api_password" in wanted.model_fields_set:
                self._seal(row, self._kept_beside(wanted, row) | given)
                row.tested_at = row.test_outcome = None
            for name in {"enabled", "trading", "sandboxed"} & wanted.model_fields_set:
                if getattr(wanted, name) is not None:
                    setattr(row, name, getattr(wanted, name))
            row.updated_at = utc_now()

        row = self._database.write(credentials.change, exchange, edit)
        if row is None:
            raise CredentialsNotFound(_NONE)
        return self._applied(row)

    def remove(self, exchange: str) -> CredentialsRemoval:
        """Forget the keys of an exchange."""
        self._row(exchange)
        if not self._database.write(credentials.remove, exchange):
            raise CredentialsNotFound(_NONE)
        stale = not self._host.call_blocking(
            self._bridge.account_credentials.apply, self._bridge.bot
        )
        return CredentialsRemoval(exchange=exchange, restart_required=stale)

    def test(self, exchange: str) -> ConnectionTest:
        """Ask the exchange for the balances with the stored keys, and keep what it said."""
        row = self._row(exchange)
        keys = _opened(self.sealer, row)
        outcome = self._host.call_blocking(self._bridge.key_check.check, exchange, keys)
        found = ConnectionTest(outcome=outcome, tested_at=utc_now())
        self._database.write(
            credentials.note_test, exchange, row.updated_at, outcome, found.tested_at
        )
        return found

    def _row(self, exchange: str) -> ExchangeCredentials:
        row = self._database.read(credentials.get, exchange) if _ID.fullmatch(exchange) else None
        if row is None:
            raise CredentialsNotFound(_NONE)
        return row

    def _check_testnet(self, exchange: str, sandboxed: bool) -> None:
        has_testnet = self._bridge.key_check.has_testnet
        if sandboxed and not self._host.call_blocking(has_testnet, exchange):
            raise ValidationFailed(
                fields=[FieldError("sandboxed", "this exchange has no test network")]
            )

    def _kept_beside(self, wanted: CredentialsChange, row: ExchangeCredentials) -> dict[str, str]:
        """Return what a change leaves as it is; what it replaces need not be readable."""
        keeps_password = row.has_password and "api_password" not in wanted.model_fields_set
        if wanted.api_key is not None and not keeps_password:
            return {}
        kept = self.sealer.open(row.exchange, row.sealed)
        return {name: kept[name] for name in kept if name != "api_password" or keeps_password}

    def _seal(self, row: ExchangeCredentials, content: dict[str, str]) -> None:
        key = content["api_key"]
        row.sealed = self.sealer.seal(row.exchange, content)
        row.hint = key[-_HINT:] if len(key) >= _SHORTEST_WITH_HINT else ""
        row.has_password = "api_password" in content

    def _applied(self, row: ExchangeCredentials) -> Credentials:
        stale = not self._host.call_blocking(
            self._bridge.account_credentials.apply, self._bridge.bot
        )
        return self._shown(row, restart_required=stale)

    def _shown(self, row: ExchangeCredentials, *, restart_required: bool) -> Credentials:
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


def _given(asked: NewCredentials | CredentialsChange) -> dict[str, str]:
    """Return the secrets that a request names, without what copying leaves around them."""
    secrets = {
        "api_key": asked.api_key,
        "api_secret": asked.api_secret,
        "api_password": asked.api_password,
    }
    return {
        name: secret.get_secret_value().strip()
        for name, secret in secrets.items()
        if secret is not None
    }


def _opened(sealer: Cipher, row: ExchangeCredentials) -> ExchangeKeys:
    content = sealer.open(row.exchange, row.sealed)
    return ExchangeKeys(**content, sandboxed=row.sandboxed)
