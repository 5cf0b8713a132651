"""Commands `octobot-backend audit …`: verification of the audit's hash chain."""

from __future__ import annotations

import sys

import click

from backend.cli.common import open_database
from backend.schemas.common import time_text
from backend.store import audit as entries


@click.group()
def audit() -> None:
    """Check the audit trail."""


@audit.command()
def verify() -> None:
    """Verify the audit's hash chain; the exit code is 1 when it is broken.

    Keep the last line's hash somewhere else: if a later run prints another one after
    the same count, the whole chain was rewritten.
    """
    with open_database() as database:
        verdict = database.read(entries.verify)
    if verdict.bad is not None:
        when = time_text(verdict.bad.occurred_at)
        click.echo(f"entry {verdict.bad.id} ({when}, {verdict.bad.action}) is not as written,")
        click.echo("or entries before it were removed or inserted")
    if verdict.missing:
        click.echo("entries were removed from the end")
    word = "intact" if verdict.intact else "sound before that"
    click.echo(f"{verdict.sound} entries {word}, up to hash {verdict.end}")
    sys.exit(0 if verdict.intact else 1)
