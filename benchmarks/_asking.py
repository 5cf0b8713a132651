"""How the benchmarks ask over HTTP: exact requests, loads in a process of their own, baselines."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.harness import percentile
from benchmarks.live import LiveServer, free_port

ROOT = Path(__file__).parents[1]
UNLIMITED = {
    f"rate_limit_{name}": "9999999/minute"
    for name in ("query", "trade", "login", "account", "all_logins", "address")
}
RESTING = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.001",
    "price": "20000",
}
MARKET = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}

_PATIENCE_S = 2.0

Figures = dict[str, float]


def get(path: str, token: str | None = None) -> bytes:
    """Spell a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{_bearer(token)}\r\n".encode()


def post(path: str, token: str, body: dict[str, str]) -> bytes:
    """Spell a POST request."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{_bearer(token)}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def load(port: int, connections: int, request: bytes, seconds: float) -> Figures:
    """Ask without pause on so many connections; return what the load process measured."""
    return load_result(start_load(port, connections, request, seconds))


def start_load(
    port: int, connections: int, request: bytes, seconds: float
) -> subprocess.Popen[bytes]:
    """Begin to ask; `load_result` waits for the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._load", str(port), str(connections), str(seconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(request)
    process.stdin.close()
    process.stdin = None  # communicate() would flush it
    return process


def load_result(process: subprocess.Popen[bytes]) -> Figures:
    """Return what a load process measured."""
    figures: Figures = json.loads(process.communicate()[0])
    return figures


@contextmanager
def bare_flask() -> Iterator[int]:
    """Serve the bare view; yields its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._hello", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


class Pinger:
    """Asks one address in a trickle, in a thread, until told to end."""

    def __init__(self, server: LiveServer, path: str = "/healthz") -> None:
        self._url = server.url + path
        self._over = threading.Event()
        self._taken_ms: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> list[float]:
        """Return how long each answer took, in milliseconds."""
        self._over.set()
        self._thread.join()
        return self._taken_ms

    def _run(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._over.wait(0.01):
                started = time.perf_counter()
                client.get(self._url).raise_for_status()
                self._taken_ms.append((time.perf_counter() - started) * 1000)


class Filler:
    """Buys now and then, and notes when a stream tells that the order has filled."""

    def __init__(self, server: LiveServer, every_s: float = 0.05) -> None:
        self._server = server
        self._every_s = every_s
        self._sent: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._over, self._ready = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._listen, self._buy)]
        for thread in self._threads:
            thread.start()

    def end(self) -> list[float]:
        """Return the milliseconds from each order's sending to its event."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        told = self._told
        return [(told[key] - at) * 1000 for key, at in self._sent.items() if key in told]

    def _buy(self) -> None:
        self._ready.wait(_PATIENCE_S)
        with self._server.client() as client:
            while not self._over.wait(self._every_s):
                started = time.perf_counter()
                answer = client.post("/orders", json=MARKET)
                if answer.status_code == httpx.codes.CREATED:
                    self._sent[answer.json()["data"]["id"]] = started

    def _listen(self) -> None:
        with (
            self._server.client() as client,
            client.stream("GET", "/stream?topics=orders", timeout=_PATIENCE_S) as lines,
            contextlib.suppress(httpx.ReadTimeout),  # nothing more comes
        ):
            name = ""
            for line in lines.iter_lines():
                self._ready.set()
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: ") and name == "order_filled":
                    self._told[json.loads(line[6:])["order"]["id"]] = time.perf_counter()
                if self._over.is_set() and self._sent.keys() <= self._told.keys():
                    return


def quantiles(taken_ms: list[float], name: str = "") -> Figures:
    """Return median and 99th percentile as columns."""
    taken = taken_ms or [float("nan")]
    return {f"{name}p50_ms": percentile(taken, 50), f"{name}p99_ms": percentile(taken, 99)}


def lags(server: LiveServer) -> Figures:
    """Return how late the bot's loop was since the last call; the server is `_server`."""
    answer = httpx.get(f"{server.url}/bench/lags").raise_for_status().json()
    return {f"lag_{name}": value for name, value in answer.items()}


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
