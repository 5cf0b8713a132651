"""A backend in a process of its own, with settings of the test's choice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.live import free_port

ROOT = Path(__file__).parents[1]
PASSWORD = "correct horse battery staple"
START_WITHIN_S = 180
ANSWERS_WITHIN_S = 60


class Backend:
    """A running process, and its API as admin."""

    def __init__(self, home: Path, command: list[str], settings: dict[str, object]) -> None:
        port = free_port()
        ours = {"port": port, "home": home, "admin_password": PASSWORD, "bot_lag": 0, **settings}
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=_environment(ours),
            stderr=subprocess.PIPE,
            text=True,
        )
        self._headers: dict[str, str] = {}

    def wait_until(self, path: str, wanted: int) -> Any:
        """Wait until an unprotected path answers with this status; return the answer's data."""
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[1]
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(self.url + path, timeout=ANSWERS_WITHIN_S)
                if answer.status_code == wanted:
                    return answer.json()
            time.sleep(0.1)
        raise AssertionError(f"{path} did not become {wanted}")

    def ready(self) -> Backend:
        self.wait_until("/readyz", 200)
        return self

    def ask(self, method: str, path: str, json: object = None) -> httpx.Response:
        """Ask as admin, logging in first."""
        if not self._headers:
            login = {"username": "admin", "password": PASSWORD}
            answer = httpx.post(
                f"{self.url}/api/v1/auth/login", json=login, timeout=ANSWERS_WITHIN_S
            ).json()
            self._headers = {"Authorization": f"Bearer {answer['data']['access_token']}"}
        return httpx.request(
            method,
            f"{self.url}/api/v1{path}",
            json=json,
            headers=self._headers,
            timeout=ANSWERS_WITHIN_S,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=ANSWERS_WITHIN_S)
        return self.process.returncode


@contextlib.contextmanager
def running(home: Path, *command: str, **settings: object) -> Iterator[Backend]:
    """Run a backend on this home, and leave none behind."""
    backend = Backend(home, list(command) or ["-m", "backend.cli", "run"], settings)
    try:
        yield backend
    finally:
        if backend.process.poll() is None:
            backend.stop(signal.SIGKILL)


def _environment(settings: dict[str, object]) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BACKEND_")}
    return inherited | {f"BACKEND_{name.upper()}": str(value) for name, value in settings.items()}
