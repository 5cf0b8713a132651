"""Identity services for commands, without a server; their actions are audited."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from backend.cli.common import CliError, open_database, settings
from backend.concurrency.host import ThreadHost
from backend.errors import ApiError
from backend.identity.api_keys import ApiKeys
from backend.identity.passwords import Passwords
from backend.identity.second_factor import SecondFactors
from backend.identity.store_sync import StoreSync
from backend.identity.users import Users
from backend.schemas.common import utc_now
from backend.store import Database, audit
from backend.store.audit import NewEntry
from backend.store.encryption import Cipher


class LocalIdentity(NamedTuple):
    """The identity services that commands use."""

    users: Users
    api_keys: ApiKeys
    second_factors: SecondFactors


@contextmanager
def open_identity(action: str | None = None, target: str = "") -> Iterator[LocalIdentity]:
    """Open the identity services; `action`, if given, is recorded in the audit with its outcome."""
    with open_database() as database, closing(Passwords(ThreadHost())) as passwords:
        store_sync, outcome = StoreSync(database), "ok"
        try:
            yield LocalIdentity(
                Users(database, passwords, store_sync),
                ApiKeys(database, store_sync),
                SecondFactors(database, store_sync, Cipher(settings()), passwords),
            )
        except ApiError as error:
            outcome = error.type
            raise CliError(_error_text(error)) from None
        finally:
            if action is not None:
                _append_audit_entry(database, action, target, outcome)


def _append_audit_entry(database: Database, action: str, target: str, outcome: str) -> None:
    entry = NewEntry(
        occurred_at=utc_now(),
        action=action.replace(" ", "."),
        user_id=None,
        username=getpass.getuser(),
        address="local",
        method="COMMAND",
        path=f"{action} {target}",
        status=0,
        outcome=outcome,
        request_id="-",
    )
    with database.transaction() as session:
        audit.append(session, [entry])


def _error_text(error: ApiError) -> str:
    fields = "; ".join(f"{field.field}: {field.message}" for field in error.fields)
    return error.details or fields or error.title
