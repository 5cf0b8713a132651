"""Commands `octobot-backend secret-key …`: rotation of the key that signs access tokens."""

from __future__ import annotations

import click

from backend.cli.common import CliError, settings
from backend.identity.signing_keys import rotate_stored_key
from backend.settings.model import SettingsError


@click.group()
def secret_key() -> None:
    """Manage the key that signs access tokens."""


@secret_key.command()
def rotate() -> None:
    """Create a new key, in force from the next start; tokens of the present one stay valid."""
    try:
        rotate_stored_key(settings())
    except SettingsError as error:
        raise CliError(str(error)) from None
    click.echo("the next start signs with a fresh key")
