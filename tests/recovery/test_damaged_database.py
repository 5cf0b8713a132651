"""Starts on damaged databases: one line or an intact check, and damage while a server runs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backend.store.integrity import quick_check
from tests.recovery.running_server import RunningServer, running_server_at
from tests.server_process import Api, fork_server_at, wait_until
from tests.store.damage import PAGE, flip_bytes, overwrite_page

pytestmark = pytest.mark.long

SETTINGS = {"symbols": ["BTC/USDT"], "sandbox_speed": 1e-6}
DECIDED = ("running", "failed")


@pytest.fixture(scope="module")
def traded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a stopped server that has traded."""
    home = tmp_path_factory.mktemp("traded")
    with running_server_at(home) as server:
        for number in range(30):
            server.place(side=("buy", "sell")[number % 2], type="market")
            server.place(side="buy", type="limit", price=server.at("0.5"))
        server.stop_process()
        server.kill_process()
    with closing(sqlite3.connect(home / "backend.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home


@pytest.fixture
def home(traded_home: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "home"
    shutil.copytree(traded_home, copy)
    (copy / "stderr.txt").write_text("")
    return copy


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_ends_the_start_with_one_line_or_passes_the_check(
    home: Path, seed: int
) -> None:
    file = home / "backend.db"
    flip_bytes(file, seed)
    complaint = quick_check(file)
    with fork_server_at(home, **SETTINGS) as fork_server:
        server = fork_server.try_start()
        output = fork_server.log.read_text()
        if server is None:
            (line,) = output.splitlines()
            assert line.startswith("Error: ")
            assert str(file) in line or "BACKEND_DATABASE_URL" in line
        else:
            assert complaint is None
            api = server.api()
            assert wait_until(lambda: _state(api) in DECIDED)
        assert "Traceback" not in fork_server.log.read_text()


@pytest.mark.parametrize("page", [0, 1, 20])
def test_a_lost_page_is_one_line_that_names_the_file_and_the_remedy(home: Path, page: int) -> None:
    file = home / "backend.db"
    overwrite_page(file, page)
    with fork_server_at(home, **SETTINGS) as fork_server:
        assert fork_server.try_start() is None
        (line,) = fork_server.log.read_text().splitlines()
    assert line.startswith(f"Error: {file} is damaged (")
    assert line.endswith("by `octobot-backend restore --force ARCHIVE`")


def test_damage_while_a_server_runs_is_logged_once_and_refuses_orders(home: Path) -> None:
    file = home / "backend.db"
    with running_server_at(home) as server:
        before = server.account()
        with file.open("r+b") as opened:
            opened.seek(PAGE)
            opened.write(b"\xa5" * (file.stat().st_size - PAGE))
        assert wait_until(lambda: _is_refused(server))
        for _ in range(3):
            answer = server.post(side="buy", type="market")
            assert (answer.status, answer.json["type"]) == (503, "journal_unavailable")
            assert "damaged" in answer.json["details"]
        ready = server.api.send("GET", "/readyz")
        assert ready.status == 503
        assert "the database is damaged" in ready.json["details"]
        assert str(home) not in ready.json["details"]
        assert server.account().state.totals == before.state.totals
        output = (home / "stderr.txt").read_text()
        assert output.count(f"{file} is damaged") == 1


def _state(api: Api) -> str:
    """Return the bot's state, as far as it is public."""
    ready = api.send("GET", "/readyz")
    if ready.status == 200:
        return "running"
    return "failed" if "bot is failed" in ready.json["details"] else "starting"


def _is_refused(server: RunningServer) -> bool:
    answer = server.post(side="buy", type="limit", price=server.at("0.5"))
    return "damaged" in str(answer.json.get("details"))
