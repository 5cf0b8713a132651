"""Backups of a running server, restored to another home, go on where they were made."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from tests.recovery.running_server import RunningServer, running_server_at
from tests.server_process import ROOT

pytestmark = pytest.mark.long


def command(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command on a home, as its owner would in a shell."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKEND_")}
    return subprocess.run(
        [sys.executable, "-m", "backend.cli", *map(str, arguments)],
        cwd=ROOT,
        env=environment | {"BACKEND_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def trade(server: RunningServer) -> None:
    server.place(side="buy", type="market")
    server.place(side="buy", type="limit", price=server.at("0.5"))
    server.place(side="sell", type="limit", price=server.at("1.5"))


def test_a_restored_server_has_the_same_account_and_users(tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    with running_server_at(tmp_path / "old") as server:
        trade(server)
        user = {"username": "alice", "password": "correct horse battery", "role": "trader"}
        server.api.ask("POST", "/users", user, expect=201)
        before, users = server.account(), server.api.get("/users")
        token = server.api.token
        assert command(tmp_path / "old", "backup", archive).returncode == 0
        trade(server)
    assert archive.stat().st_mode & 0o777 == 0o600
    restored = command(tmp_path / "new", "restore", archive)
    assert restored.returncode == 0, restored.stderr
    with running_server_at(tmp_path / "new") as server:
        assert server.account() == before
        assert server.api.get("/users") == users
        server.api.token = token  # the key that signed it came along
        assert server.api.get("/auth/sessions")
        trade(server)
        server.account_state()


def test_a_backup_amid_orders_is_the_account_at_one_instant(tmp_path: Path) -> None:
    archives = [tmp_path / f"{number}.tar.gz" for number in range(2)]
    with running_server_at(tmp_path / "old") as server:
        is_over = threading.Event()

        def place_orders() -> None:
            while not is_over.is_set():
                server.place(side="buy", type="market")
                server.place(side="sell", type="market")

        thread = threading.Thread(target=place_orders)
        thread.start()
        try:
            for archive in archives:
                assert command(tmp_path / "old", "backup", archive).returncode == 0
        finally:
            is_over.set()
            thread.join()
        ended = {order["id"] for order in server.account_state().orders}
    home = tmp_path / "new"
    counts = []
    for archive in archives:
        assert command(home, "restore", "--force", archive).returncode == 0
        with running_server_at(home) as server:
            orders = {order["id"] for order in server.account_state().orders}
        assert orders <= ended
        counts.append(len(orders))
    assert 0 < counts[0] < counts[-1]


def test_a_restore_is_refused_while_a_server_owns_the_home(tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    with running_server_at(tmp_path / "home") as server:
        assert command(tmp_path / "home", "backup", archive).returncode == 0
        refused = command(tmp_path / "home", "restore", "--force", archive)
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert f"is in use by process {server.pid}" in line
        trade(server)
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert names[0] == "manifest.json"
    assert {"backend.db", "secret.key", "octobot/user/config.json"} <= set(names)
