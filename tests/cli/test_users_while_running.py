"""Users changed by the command while a server runs: it notices, its streams too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.server_process import PASSWORD, ROOT, fork_server_at
from tests.waiting import wait_until

pytestmark = pytest.mark.long

ANSWERS_WITHIN_S = 60


def command(home: Path, *arguments: str) -> str:
    """Run the command on a home, as its owner would in a shell."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKEND_")}
    finished = subprocess.run(
        [sys.executable, "-m", "backend.cli", *arguments],
        cwd=ROOT,
        env=environment | {"BACKEND_HOME": str(home)},
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_running_server_takes_over_what_the_command_does(tmp_path: Path) -> None:
    with fork_server_at(tmp_path) as fork_server:
        server = fork_server.start()
        server.api().wait_until_ready()
        api = f"http://127.0.0.1:{server.port}/api/v1"
        command(tmp_path, "user", "create", "alice", "--role", "trader", "--password-stdin")
        given = {"username": "alice", "password": PASSWORD}
        login = httpx.post(f"{api}/auth/login", json=given, timeout=ANSWERS_WITHIN_S)
        token = {"Authorization": f"Bearer {login.json()['data']['access_token']}"}
        made = command(tmp_path, "api-key", "create", "alice", "x", "--scope", "bot:read")
        key = {"X-API-Key": made.split()[-1]}

        def status(headers: dict[str, str]) -> int:
            asked = httpx.get(f"{api}/bot", headers=headers, timeout=ANSWERS_WITHIN_S)
            return asked.status_code

        assert wait_until(lambda: status(key) == 200)
        stream_of_bot = f"{api}/stream?topics=bot"
        with httpx.stream("GET", stream_of_bot, headers=token, timeout=ANSWERS_WITHIN_S) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            command(tmp_path, "user", "disable", "alice")
            assert wait_until(lambda: status(token) == status(key) == 401)
            for _line in lines:  # ends, since the server closes it
                pass
        server.stop()
