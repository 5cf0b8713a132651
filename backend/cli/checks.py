"""Checks of `octobot-backend doctor`: machine, home and database, without changing them."""

from __future__ import annotations

import os
import platform
import resource
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend import __version__
from backend.cli import python_version
from backend.concurrency.host import ThreadHost
from backend.errors import StoreUnavailable
from backend.schemas.common import time_text, utc_now
from backend.settings.model import Settings
from backend.store import Database, DatabaseDamaged, StoreError, audit
from backend.store.database import database_file
from backend.store.home_lock import home_owner
from backend.store.integrity import quick_check, size_on_disk
from backend.store.migrate import known_revisions, revision_of
from backend.store.models import AuditEntry
from backend.store.restore import refuse_unfinished_restore

_LEAST_FREE = 100_000_000
_LITTLE_FREE = 1_000_000_000
_CLOCK_TOLERANCE = timedelta(minutes=1)
_OTHER_FILES = 256
_SECRETS = ("backend.db", "secret.key", "encryption.key", "sandbox.json")


class Finding(NamedTuple):
    """Outcome of one check, in one line."""

    level: Literal["ok", "warning", "problem"]
    subject: str
    text: str


def check_all(settings: Settings) -> Iterator[Finding]:
    """Run all checks in order."""
    yield check_versions()
    yield check_open_files(settings)
    yield check_server(settings)
    yield check_permissions(settings)
    yield check_space(settings)
    yield check_tentacles(settings)
    yield from check_database(settings)


def check_versions() -> Finding:
    """Check the versions of Python and OctoBot."""
    if python_version.is_outdated():
        return Finding("warning", "versions", python_version.WARNING)
    octobot = metadata.version("OctoBot")
    python = platform.python_version()
    return Finding("ok", "versions", f"backend {__version__}, OctoBot {octobot}, Python {python}")


def check_open_files(settings: Settings) -> Finding:
    """Check that the limit of open files allows for all connections of the settings."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.stream_clients + settings.socket_clients + _OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        text = f"{hard}, the settings allow for {needed}: raise `ulimit -Hn` or LimitNOFILE="
        return Finding("warning", "open files", text)
    return Finding("ok", "open files", "unlimited" if hard == resource.RLIM_INFINITY else str(hard))


def check_server(settings: Settings) -> Finding:
    """Check whether a server runs on the home, or a restore was cut off."""
    try:
        refuse_unfinished_restore(settings.home)
    except StoreError as error:
        return Finding("problem", "server", str(error))
    owner = home_owner(settings.home)
    return Finding("ok", "server", f"{owner} runs on this home" if owner else "none runs")


def check_permissions(settings: Settings) -> Finding:
    """Check that the home can be written, and that nobody else can read its secrets."""
    home = settings.home
    if not home.exists():
        return Finding("ok", "permissions", f"{home} does not exist yet: the first start makes it")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("problem", "permissions", f"{home} cannot be written: chown or chmod it")
    paths = [home / name for name in _SECRETS]
    shared = [path for path in paths if path.exists() and path.stat().st_mode & 0o077]
    if shared:
        text = f"others can use {shared[0]}: chmod 600 {shared[0]}"
        return Finding("problem", "permissions", text)
    if home.stat().st_mode & 0o077:
        return Finding("warning", "permissions", f"others can list {home}: chmod 700 {home}")
    return Finding("ok", "permissions", str(home))


def check_space(settings: Settings) -> Finding:
    """Check the free space of the home's disk."""
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free // 1_000_000} MB free at {folder}"
    if free < _LEAST_FREE:
        return Finding("problem", "disk", f"{text}: orders are refused when it is full")
    return Finding("warning" if free < _LITTLE_FREE else "ok", "disk", text)


def check_tentacles(settings: Settings) -> Finding:
    """Check that the files of OctoBot's tentacles are Python that this version can compile."""
    folder = settings.home / "octobot" / "tentacles"
    files = sorted(folder.rglob("*.py"))
    for file in files:
        try:
            compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OSError) as error:
            text = f"{file} cannot be imported ({type(error).__name__}): install the tentacles anew"
            return Finding("problem", "tentacles", text)
    return Finding("ok", "tentacles", f"{len(files)} files" if files else "none installed")


def check_database(settings: Settings) -> Iterator[Finding]:
    """Check the database's pages, revision, newest entry and audit, without migrating it."""
    try:
        file = database_file(settings)
        if file is not None:
            if not size_on_disk(file):
                yield Finding("ok", "database", f"{file} does not exist yet")
                return
            complaint = quick_check(file)
            if complaint is not None:
                raise DatabaseDamaged(file, complaint)
        with closing(Database(settings, ThreadHost())) as database:
            yield from _check_contents(database, file)
    except StoreError as error:
        yield Finding("problem", "database", str(error))


def _check_contents(database: Database, file: Path | None) -> Iterator[Finding]:
    try:
        with database.engine.connect() as connection:
            revision = revision_of(connection)
        newest, *older = known_revisions()
        if revision not in (newest, *older, None):
            text = f"revision {revision} is of a newer version: install that, or restore a backup"
            yield Finding("problem", "database", text)
            return
        if revision != newest:
            text = f"revision {revision}: the next start brings it to {newest}; back it up before"
            yield Finding("warning", "database", text)
            return
        yield Finding("ok", "database", f"{file or 'PostgreSQL'}, revision {revision}")
        yield database.read(_check_clock)
        yield database.read(_check_audit)
    except (SQLAlchemyError, StoreUnavailable, ValueError, LookupError, TypeError) as error:
        raise database.unusable(error) from error


def _check_clock(session: Session) -> Finding:
    newest = session.scalar(select(func.max(AuditEntry.occurred_at)))
    now = utc_now()
    if newest is not None and newest > now + _CLOCK_TOLERANCE:
        text = f"{time_text(now)} is before the newest entry, {time_text(newest)}: set it by NTP"
        return Finding("problem", "clock", text)
    return Finding("ok", "clock", time_text(now))


def _check_audit(session: Session) -> Finding:
    verdict = audit.verify(session)
    if not verdict.intact:
        text = "the chain is broken: `octobot-backend audit verify` says where"
        return Finding("problem", "audit", text)
    return Finding("ok", "audit", f"{verdict.sound} entries intact")
