"""Real databases for tests: a SQLite file, and a PostgreSQL cluster where the machine has one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from backend.concurrency.host import ThreadHost
from backend.settings.model import Settings
from backend.store import Database

_UNPRIVILEGED = "nobody"


def make_settings(home: Path, **overrides: object) -> Settings:
    """Settings of a fresh home that read no .env file."""
    return Settings(_env_file=None, home=home, **overrides)


def make_tables(settings: Settings) -> None:
    """Run all migrations on the database of these settings."""
    database = Database(settings, ThreadHost())
    database.upgrade()
    database.close()


class Cluster:
    """A PostgreSQL server of our own, reached by a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._migrated: str | None = None

    def create_database(self, template: str = "template1") -> str:
        """Create a database, empty unless it is to be a copy, and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def create_migrated(self) -> str:
        """Create a database that has its tables; they are made once and then copied."""
        if self._migrated is None:
            url = self.create_database()
            make_tables(make_settings(self._folder, database_url=url))
            self._migrated = url.partition("@/")[2].partition("?")[0]
        return self.create_database(self._migrated)

    def _conninfo(self, name: str) -> str:
        return f"host={self._folder} user=postgres dbname={name}"


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a cluster in a temporary folder, never as root; skips where there is no PostgreSQL."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine (initdb and pg_ctl not found)")
    owner = _UNPRIVILEGED if os.geteuid() == 0 else None
    # not below pytest's own folder: that one is closed to the cluster's owner
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        if owner is not None:
            account = pwd.getpwnam(owner)
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = f"{folder}/data"
        initdb = ["initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions"]
        _run(programs, [*initdb, "-E", "UTF8", "--locale=C"], folder, owner)
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        start = ["pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start"]
        _run(programs, start, folder, owner)
        try:
            yield Cluster(Path(folder))
        finally:
            _run(programs, ["pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], folder, owner)


def _programs() -> Path | None:
    found = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    complete = [folder for folder in found if (folder / "pg_ctl").exists()]
    return complete[0] if complete else None


def _run(programs: Path, command: list[str], folder: str, owner: str | None) -> None:
    program, *arguments = command
    finished = subprocess.run(
        [str(programs / program), *arguments],
        cwd=folder,
        user=owner,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"{program}: {finished.stdout}")
