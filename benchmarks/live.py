"""LiveServer: the real program in a process of its own, started as a user starts it.

For the benchmarks, which must not share an interpreter with the measured program, and
for the tests of clients.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_WITHIN_S = 180
STOPPED_WITHIN_S = 60
PASSWORD = "a password for tests only"
_CHANCE = random.SystemRandom()
BENCHMARK_SERVER = (sys.executable, "-m", "benchmarks._server_process")
"""Starts the same program with the benchmark routes of `_server_process`."""


@dataclass(frozen=True)
class LiveServer:
    """A running backend."""

    url: str
    pid: int
    home: Path
    username: str = "admin"
    password: str = PASSWORD
    trust: ssl.SSLContext | bool = True

    @property
    def api(self) -> str:
        """The address of the API's base."""
        return f"{self.url}/api/v1"

    def login(self) -> str:
        """Return an access token of the admin."""
        credentials = {"username": self.username, "password": self.password}
        address = f"{self.api}/auth/login"
        answer = httpx.post(address, json=credentials, timeout=30, verify=self.trust)
        answer.raise_for_status()
        return str(answer.json()["data"]["access_token"])

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.url.rpartition(":")[2])

    def rss_mb(self) -> float:
        """Return the resident memory of the process."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def client(self) -> httpx.Client:
        """Return a client that is logged in as the admin."""
        headers = {"Authorization": f"Bearer {self.login()}"}
        return httpx.Client(base_url=self.api, headers=headers, timeout=30, verify=self.trust)


@contextlib.contextmanager
def live_server(
    home: Path | None = None,
    *,
    command: Sequence[str | Path] = (),
    switch_ms: float | None = None,
    trust: ssl.SSLContext | None = None,
    port: int | None = None,
    **settings: object,
) -> Iterator[LiveServer]:
    """Start a backend, on a free port unless one is given, and stop it at the end.

    `settings` are BACKEND_* variables by their lower-case names, such as
    `rate_limit_enabled=False`. `home` is the folder for all files; BACKEND_HOME is
    `instance` in it. `command` starts another program than the backend itself. With
    `trust` the server is called over TLS.
    """
    with contextlib.ExitStack() as stack:
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backend-")))
        port = port or free_port()
        log_path = home / "server.out"
        log = stack.enter_context(log_path.open("wb"))
        process = subprocess.Popen(
            command or [Path(sys.executable).with_name("octobot-backend"), "run"],
            env=_environment(home / "instance", port, settings) | _switching(switch_ms),
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        stack.callback(_stop, process)
        url = f"{'https' if trust else 'http'}://127.0.0.1:{port}"
        server = LiveServer(url, process.pid, home / "instance", trust=trust or True)
        _wait_until_ready(server, process, log_path)
        yield server


def free_port() -> int:
    """Return a free port, which the system does not assign to any connection."""
    while True:
        port = _CHANCE.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _environment(home: Path, port: int, settings: dict[str, object]) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BACKEND_")}
    inherited["PYTHONPATH"] = str(Path(__file__).parents[1])
    ours = {"home": home, "port": port, "admin_password": PASSWORD, **settings}
    return inherited | {f"BACKEND_{name.upper()}": _text(value) for name, value in ours.items()}


def _switching(switch_ms: float | None) -> dict[str, str]:
    return {} if switch_ms is None else {"BENCH_SWITCH_MS": str(switch_ms)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wait_until_ready(server: LiveServer, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended ({process.returncode}):\n{_tail(log_path)}")
        with contextlib.suppress(httpx.TransportError):
            asked = httpx.get(f"{server.url}/readyz", timeout=5, verify=server.trust)
            if asked.status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server was not ready in {READY_WITHIN_S} s:\n{_tail(log_path)}")


def _tail(log_path: Path) -> str:
    return log_path.read_text(encoding="utf-8", errors="replace")[-4000:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
