"""Users changed by the command while a server runs: it notices, its streams too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.process.running import PASSWORD, ROOT, running

pytestmark = pytest.mark.long

NOTICED_WITHIN_S = 5
SETTINGS = {"rate_limit_login": "100/minute"}


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
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_running_server_takes_over_what_the_command_does(tmp_path: Path) -> None:
    with running(tmp_path, **SETTINGS) as server:
        server.ready()
        api = f"{server.url}/api/v1"
        command(tmp_path, "user", "create", "alice", "--role", "trader", "--password-stdin")
        login = httpx.post(f"{api}/auth/login", json={"username": "alice", "password": PASSWORD})
        token = {"Authorization": f"Bearer {login.json()['data']['access_token']}"}
        made = command(tmp_path, "api-key", "create", "alice", "x", "--scope", "bot:read")
        key = {"X-API-Key": made.split()[-1]}
        deadline = time.monotonic() + NOTICED_WITHIN_S
        while httpx.get(f"{api}/bot", headers=key).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with httpx.stream("GET", f"{api}/stream?topics=bot", headers=token, timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            command(tmp_path, "user", "disable", "alice")
            done = time.monotonic()
            for headers in (token, key):
                while httpx.get(f"{api}/bot", headers=headers).status_code != 401:
                    assert time.monotonic() < done + NOTICED_WITHIN_S
                    time.sleep(0.05)
            for _line in lines:  # ends, since the server closes it
                pass
        assert server.stop() == 0
