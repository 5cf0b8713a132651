"""Attacks in processes of their own, and an owner with a second factor beside them."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyotp

ROOT = Path(__file__).parents[1]
STEP_S = 30


class Attack:
    """One attack in a process of its own."""

    def __init__(self, attack: str, **asked: object) -> None:
        self.name = attack
        self.figures: dict[str, float] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._attacker", json.dumps({"attack": attack, **asked})],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_on(self) -> None:
        """Wait until the attack is on."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "on\n":
            raise RuntimeError(f"the attack {self.name} ended early")

    def end(self) -> None:
        """End it, and keep its figures."""
        out, _ = self._process.communicate()
        self.figures = json.loads(out.splitlines()[-1])


@contextmanager
def attacked(attacks: Iterable[Attack]) -> Iterator[list[Attack]]:
    """Wait until the attacks are on, and end them afterwards."""
    running = list(attacks)
    try:
        for attack in running:
            attack.wait_until_on()
        yield running
    finally:
        for attack in running:
            attack.end()


class Caller:
    """Client that connects from an address of its own, on one connection."""

    def __init__(self, host: str, port: int, source: str, client: str) -> None:
        self._connection = http.client.HTTPConnection(
            host, port, timeout=60, source_address=(source, 0)
        )
        self._headers = {"X-Forwarded-For": client}

    def ask(self, method: str, path: str, body: object = None) -> tuple[Any, float]:
        """Send a request; return the response's data and its time in milliseconds."""
        headers, content = dict(self._headers), None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        started = time.perf_counter()
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        taken_ms = (time.perf_counter() - started) * 1000
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text).get("data"), taken_ms

    def use(self, token: str) -> None:
        """Send an access token from now on."""
        self._headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Owner:
    """The admin, whose app shows codes once they have set it up."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._app: pyotp.TOTP | None = None
        self._last_step = 0

    def set_up(self, caller: Caller) -> None:
        """Log in with the password alone, and set up a second factor."""
        self.log_in(caller)
        begun, _ = caller.ask("POST", "/api/v1/auth/second-factor")
        self._app = pyotp.TOTP(begun["secret"])
        caller.ask("POST", "/api/v1/auth/second-factor/confirm", {"code": self._code()})

    def log_in(self, caller: Caller) -> float:
        """Log in, and return the time it took in milliseconds."""
        given = {"username": "admin", "password": self._password}
        if self._app is not None:
            given["code"] = self._code()
        tokens, taken_ms = caller.ask("POST", "/api/v1/auth/login", given)
        caller.use(tokens["access_token"])
        return taken_ms

    def step_up(self, caller: Caller) -> float:
        """Step up with a code, and return the time it took in milliseconds."""
        token, taken_ms = caller.ask("POST", "/api/v1/auth/step-up", {"code": self._code()})
        caller.use(token["access_token"])
        return taken_ms

    def _code(self) -> str:
        """Return the next unused code; three in a row are valid at any time."""
        assert self._app is not None
        self._last_step = max(self._last_step + 1, int(time.time()) // STEP_S - 1)
        return self._app.generate_otp(self._last_step)
