"""The commands `octobot-backend backup` and `octobot-backend restore`."""

from __future__ import annotations

from pathlib import Path

import click

from backend.cli.common import CliError, settings
from backend.store import HomeLocked, StoreError
from backend.store import backup as backups
from backend.store import restore as restores
from backend.store.archive import BackupError


@click.command()
@click.argument("target", metavar="FILE_OR_FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--without-encryption-key", is_flag=True, help="Leave out encryption.key: keep it elsewhere."
)
@click.option(
    "--without-database", is_flag=True, help="Only the rest: for PostgreSQL, which has pg_dump."
)
def backup(target: Path, without_encryption_key: bool, without_database: bool) -> None:
    """Write the whole state into one archive (tar.gz); a server may run meanwhile.

    In a folder the file is named after the time. It holds secrets: encrypt what leaves the
    machine.
    """
    try:
        path = backups.back_up(
            settings(),
            target,
            encryption_key=not without_encryption_key,
            database=not without_database,
        )
    except (BackupError, StoreError) as error:
        raise CliError(str(error)) from None
    click.echo(f"written: {path}")
    if without_database:
        click.echo("without the database: users, orders and trades are not in it", err=True)


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Move aside what is in the home.")
def restore(archive: Path, force: bool) -> None:
    """Put a backup's files into BACKEND_HOME, which no server may use meanwhile."""
    try:
        manifest, aside = restores.restore(settings(), archive.expanduser(), force=force)
    except (BackupError, StoreError, HomeLocked) as error:
        raise CliError(str(error)) from None
    click.echo(f"restored: {len(manifest.files)} files as of {manifest.created_at}")
    if aside is not None:
        click.echo(f"what was there before is in {aside}")
