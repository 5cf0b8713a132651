"""The command as a user types it: wrong settings, taken ports and homes, start and stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from benchmarks.live import free_port
from tests.server_process import fork_server_at

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


def environment(home: Path, **settings: object) -> dict[str, str]:
    """The variables of a process whose settings are these and no others."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BACKEND_")}
    ours = {f"BACKEND_{name.upper()}": str(value) for name, value in settings.items()}
    return inherited | {"BACKEND_HOME": str(home)} | ours


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=60).status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise AssertionError("not ready in time")


def run(home: Path, *command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command that should end by itself."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_settings_are_printed_without_secrets(tmp_path: Path) -> None:
    finished = run(tmp_path, "-m", "backend.cli", "config", admin_password="a secret password")
    lines = finished.stdout.splitlines()
    assert finished.returncode == 0
    assert f"BACKEND_HOME={tmp_path}" in lines
    assert "BACKEND_ADMIN_PASSWORD=********" in lines


@pytest.mark.parametrize("command", [["-m", "backend.cli", "config"], ["wsgi.py"]])
def test_a_wrong_setting_is_one_line(tmp_path: Path, command: list[str]) -> None:
    finished = run(tmp_path, *command, port="seventy")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "BACKEND_PORT" in line


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run(tmp_path, "-m", "backend.cli", port=port)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    taken_address = f"BACKEND_HOST, BACKEND_PORT: 127.0.0.1:{port}: Address already in use"
    assert line == f"Error: {taken_address}"


def test_a_home_in_use_is_one_line(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = run(tmp_path, "-m", "backend.cli", port=0)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert f"process {os.getpid()}" in line


def test_an_unusable_database_is_one_line(tmp_path: Path) -> None:
    with fork_server_at(tmp_path, database_url="sqlite:////proc/no/where") as fork_server:
        assert fork_server.try_start() is None
        (line,) = fork_server.log.read_text().splitlines()
    assert "/proc/no/where" in line


def test_an_unusable_certificate_is_one_line(tmp_path: Path) -> None:
    pair = {"tls_cert": tmp_path / "none.pem", "tls_key": tmp_path / "none.key"}
    finished = run(tmp_path, "-m", "backend.cli", port=0, **pair)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "BACKEND_TLS_CERT" in line
    assert f"{tmp_path}/none.pem" in line


def test_production_does_not_print_a_password_that_a_log_would_keep(tmp_path: Path) -> None:
    with fork_server_at(tmp_path, env="production", admin_password=None) as fork_server:
        assert fork_server.try_start() is None
        told = fork_server.log.read_text()
    assert "BACKEND_ADMIN_PASSWORD" in told.splitlines()[-1]
    assert "with the password" not in told


@pytest.mark.every_line
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_starts_serves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.cli"],
        cwd=ROOT,
        env=environment(tmp_path, port=port),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            wait_until_ready(url)
            assert httpx.get(f"{url}/healthz", timeout=60).json()["data"] == {"status": "ok"}
            process.send_signal(number)
            _, output = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    lines = output.splitlines()
    password = re.fullmatch(r"First start: log in as admin with the password (\S{12,})", lines[0])
    assert password is not None
    assert f"OctoBot backend on {url}" in lines
    assert f"Documentation on {url}/docs" in lines
    warnings = [line for line in lines if "known holes" in line]
    assert len(warnings) == (1 if sys.version_info < (3, 12) else 0)
    assert output.count(password[1]) == 1
    assert "Traceback" not in output
    assert password[1] not in (tmp_path / "logs" / "backend.log").read_text()
