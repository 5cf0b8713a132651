"""Commands `octobot-backend credentials …`: encryption keys of stored secrets."""

from __future__ import annotations

import click
from cryptography.fernet import Fernet

from backend.cli.common import CliError, open_database, settings
from backend.credentials import Cipher
from backend.errors import CredentialsUnreadable
from backend.middleware.headers import new_request_id
from backend.schemas.common import utc_now
from backend.store import audit, second_factors
from backend.store import credentials as stored_credentials
from backend.store.audit import NewEntry


@click.group()
def credentials() -> None:
    """Manage the encryption of stored exchange keys and second factors."""


@credentials.command("new-key")
def new_key() -> None:
    """Print a new key for BACKEND_ENCRYPTION_KEY."""
    click.echo(Fernet.generate_key().decode())


@credentials.command()
def rotate() -> None:
    """Encrypt exchange keys and second factors again, under the first BACKEND_ENCRYPTION_KEY.

    Includes the seeds of second factors. All or none: afterwards the other keys of the
    setting can be dropped. A server that runs with the same setting is not disturbed.
    """
    cipher = Cipher(settings())
    with open_database() as database:
        try:
            with database.transaction() as session:
                count = stored_credentials.reencrypt_all(session, cipher.rotate)
                count += second_factors.reencrypt_all(session, cipher.rotate)
                audit.append(session, [_entry()])
        except CredentialsUnreadable as error:
            raise CliError(str(error.details)) from None
    click.echo(f"encrypted anew: {count}")


def _entry() -> NewEntry:
    return NewEntry(
        occurred_at=utc_now(),
        action="credentials.rotate",
        user_id=None,
        username=None,
        address="",
        method="CLI",
        path="octobot-backend credentials rotate",
        status=0,
        outcome="ok",
        request_id=new_request_id(),
    )
