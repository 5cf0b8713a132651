"""Real servers in processes of their own, and a client that speaks HTTP to them."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
PASSWORD = "correct horse battery staple"
TIMEOUT_S = 120
REUSED_WITHIN_S = 30
"""The server closes connections that are idle for longer than 75 s."""
GONE = (OSError, http.client.HTTPException)
"""Errors of a client whose server is killed in the middle of an answer."""


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    json: Any

    @property
    def data(self) -> Any:
        return self.json["data"]


class Api:
    """The API at one port; every thread has a connection of its own."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port = port
        self.token = token
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request, and return the answer; ask again while a full machine strains the bot."""
        while True:
            answer = self._send(method, path, body, headers)
            if answer.status != 503 or answer.json.get("type") != "bot_strained":
                return answer
            time.sleep(0.1)

    def _send(self, method: str, path: str, body: object, headers: dict[str, str] | None) -> Answer:
        connection = getattr(self._local, "connection", None)
        if connection is not None and time.monotonic() > self._local.used_at + REUSED_WITHIN_S:
            self.hang_up()
            connection = None
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            self._local.connection = connection
            self._connections.append(connection)
        whole = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            whole["Content-Type"] = "application/json"
        content = None if body is None else orjson.dumps(body)
        path = path if path.startswith(("/readyz", "/healthz")) else f"/api/v1{path}"
        try:
            connection.request(method, path, content, {**whole, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
        except BaseException:
            self.hang_up()
            raise
        self._local.used_at = time.monotonic()
        return Answer(response.status, response.headers, orjson.loads(text) if text else None)

    def hang_up(self) -> None:
        """Close this thread's connection; the next request opens another."""
        connection, self._local.connection = self._local.connection, None
        connection.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._connections:
            connection.close()

    def ask(self, method: str, path: str, body: object = None, *, expect: int = 200) -> Any:
        """Return an answer's data, or the whole problem when one was expected."""
        answer = self.send(method, path, body)
        assert answer.status == expect, (method, path, body, answer.status, answer.json)
        return answer.json if expect >= 400 else answer.data

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def every(self, path: str) -> list[dict[str, Any]]:
        """Return all rows of a list, page after page."""
        rows: list[dict[str, Any]] = []
        cursor = None
        while True:
            more = f"&cursor={cursor}" if cursor else ""
            answer = self.send("GET", f"{path}{'&' if '?' in path else '?'}limit=500{more}")
            assert answer.status == 200, answer.json
            rows += answer.data
            cursor = answer.json["pagination"]["next_cursor"]
            if cursor is None:
                return rows

    def login(self) -> Api:
        """Log in as the admin; the token outlives the server."""
        asked = {"username": "admin", "password": PASSWORD}
        self.token = self.ask("POST", "/auth/login", asked)["access_token"]
        return self

    def wait_until_ready(self) -> None:
        ready = wait_until(lambda: self.send("GET", "/readyz").status == 200, TIMEOUT_S)
        assert ready, self.send("GET", "/readyz").json


class ServerProcess:
    """A process that serves; it ends by `kill` or `stop`."""

    def __init__(self, pid: int, port: int, await_death: Callable[[], None]) -> None:
        self.pid = pid
        self.port = port
        self._await_death = await_death
        self.is_over = False
        self._apis: list[Api] = []

    def api(self, token: str | None = None) -> Api:
        """Return a client of this process, which is closed with it."""
        self._apis.append(Api(self.port, token))
        return self._apis[-1]

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.send_signal(signal.SIGKILL)

    def await_death(self) -> None:
        """Wait until it has killed itself."""
        self._await_death()
        self._close_apis()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal that ends it, and wait for its end."""
        os.kill(self.pid, number)
        self._await_death()
        self._close_apis()

    def _close_apis(self) -> None:
        self.is_over = True
        for api in self._apis:
            api.close()


@cache
def _prepared_process() -> str:
    """Start the process that has imported everything, once; return its socket's address."""
    name = f"octobot-backend-tests-{os.getpid()}"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.fork_server", name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        text=True,
    )
    atexit.register(process.communicate)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return f"\0{name}"


class ForkServer:
    """Starts servers on one home, one after the other, as forks of a process that is prepared."""

    def __init__(self, home: Path, **settings: object) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "home": str(home),
            "admin_password": PASSWORD,
            "rate_limit_enabled": False,
            "bot_lag": 0,
            **settings,
        }
        self.log = home / "stderr.txt"
        self._server: ServerProcess | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(_prepared_process())
        self._lines = self._socket.makefile("rw")
        self._say(str(self.log))
        assert self._hear("ready") == ["1"], "a fork would copy only one of these threads"

    def start(self, **settings: object) -> ServerProcess:
        """Start a server, perhaps with more settings; its bot boots still."""
        self._say(json.dumps({**self.settings, **settings}))
        pid, port = map(int, self._hear("serving"))
        self._server = ServerProcess(pid, port, self._await_death)
        return self._server

    def try_start(self, **settings: object) -> ServerProcess | None:
        """Start a server; None when it refuses to, with its reason in the log."""
        self._say(json.dumps({**self.settings, **settings}))
        said, *words = self._lines.readline().split()
        if said == "dead":
            return None
        assert said == "serving"
        pid, port = map(int, words)
        self._server = ServerProcess(pid, port, self._await_death)
        return self._server

    def close(self) -> None:
        """End the server that runs still, and the connection."""
        if self._server is not None and not self._server.is_over:
            self._server.kill()
        self._lines.close()
        self._socket.close()

    def _await_death(self) -> None:
        self._hear("dead")

    def _say(self, line: str) -> None:
        print(line, file=self._lines, flush=True)

    def _hear(self, expected: str) -> list[str]:
        said, *words = self._lines.readline().split() or [""]
        assert said == expected, (said, words, self.log.read_text()[-2000:])
        return words


@contextmanager
def fork_server_at(home: Path, **settings: object) -> Iterator[ForkServer]:
    """Return what starts servers on this home, and end the one that runs still."""
    fork_server = ForkServer(home, **settings)
    try:
        yield fork_server
    finally:
        fork_server.close()
