"""HTTP loads of the benchmarks: exact request bytes, load processes, baselines."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import httpx

from benchmarks.live import free_port

ROOT = Path(__file__).parents[1]
UNLIMITED = {
    f"rate_limit_{name}": "9999999/minute"
    for name in (
        *("query", "trade", "amend", "brake", "config", "login", "proof", "refresh"),
        *("site", "account", "account_hour", "all_logins", "address"),
    )
}
RESTING = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.001",
    "price": "20000",
}
MARKET = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}

Figures = dict[str, float]


def get(path: str, token: str | None = None) -> bytes:
    """Build a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{_bearer(token)}\r\n".encode()


def post(path: str, token: str, body: dict[str, str], key: str = "") -> bytes:
    """Build a POST request."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{_bearer(token)}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        + (f"Idempotency-Key: {key}\r\n" if key else "")
    )
    return head.encode() + b"\r\n" + content


class Loader:
    """A load process that sends requests without pause, in slices, over persistent connections."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._load_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._orders = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def load(self, port: int, connections: int, request: bytes, seconds: float) -> Figures:
        """Load the server over `connections` for `seconds`; return the figures."""
        self.begin(port, connections, request, seconds)
        return self.result()

    def begin(self, port: int, connections: int, request: bytes, seconds: float) -> None:
        """Start a slice of load; `result` waits for its end."""
        asked = {"port": port, "connections": connections, "seconds": seconds}
        self._orders.write(json.dumps({**asked, "request": request.decode()}) + "\n")
        self._orders.flush()

    def result(self) -> Figures:
        """Wait for the end of the started slice."""
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the load process ended early")
        figures: Figures = json.loads(line)
        return figures


def load(port: int, connections: int, request: bytes, seconds: float) -> Figures:
    """Measure one slice of load, in a process of its own."""
    with Loader() as loader:
        return loader.load(port, connections, request, seconds)


@contextmanager
def bare_flask() -> Iterator[tuple[int, int]]:
    """Serve the bare view; yields its port and its process id."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._bare_flask", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _bearer(token: str | None) -> str:
    return "" if token is None else f"Authorization: Bearer {token}\r\n"


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the bare view did not start")
