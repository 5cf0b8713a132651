"""Benchmark of freqtrade from PyPI beside this backend: same requests, same load, one run.

    python -m benchmarks.peers

Installs freqtrade into an environment of its own, which takes a minute or two
the first time. Both run offline with 50 open orders or trades and 2,000 closed
ones; requests carry a token.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks._http_load import RESTING, UNLIMITED, Figures, get, load
from benchmarks._long_history import PAPER_BALANCE, write_history
from benchmarks.harness import Table, main
from benchmarks.live import free_port, live_server

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"
USER = PASSWORD = "bench"
OPEN, CLOSED = 50, 2_000
CONNECTIONS = (1, 16)
SECONDS = 4.0
READY_WITHIN_S = 120
OURS = {
    "GET /orders": "orders",
    "GET /portfolio": "portfolio",
    "GET /trades": "trades/history?limit=50",
}
THEIRS = {"GET /orders": "status", "GET /portfolio": "balance", "GET /trades": "trades?limit=50"}


def measure() -> Iterator[Table]:
    """Yield one table: each request to both backends."""
    _install()
    table = Table(f"{OPEN} open, {CLOSED:,} closed")
    with freqtrade() as (port, token):
        theirs = {name: _ask(port, f"/api/v1/{path}", token) for name, path in THEIRS.items()}
    with tempfile.TemporaryDirectory(prefix="ours-") as folder:
        write_history(Path(folder), CLOSED)
        settings = {"paper_balance": PAPER_BALANCE, **UNLIMITED}
        with live_server(Path(folder), **settings) as server, server.client() as client:
            for _ in range(OPEN):
                client.post("/orders", json=RESTING).raise_for_status()
            token = server.login()
            for name, path in OURS.items():
                ours = _ask(server.port, f"/api/v1/{path}", token)
                table.add(f"freqtrade /{THEIRS[name]}", **theirs[name])
                times = ours["per_s_at_16"] / theirs[name]["per_s_at_16"]
                table.add(f"ours /{path}", **ours, times_theirs_at_16=times)
    yield table


def _ask(port: int, path: str, token: str) -> Figures:
    figures: Figures = {}
    for connections in CONNECTIONS:
        found = load(port, connections, get(path, token), SECONDS)
        figures[f"per_s_at_{connections}"] = found["requests_per_s"]
        figures[f"p50_ms_at_{connections}"] = found["p50_ms"]
        figures[f"failed_at_{connections}"] = found["failed"]
    return figures


@contextmanager
def freqtrade() -> Iterator[tuple[int, str]]:
    """Run freqtrade; yields its port and a token."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="freqtrade-") as folder:
        log = (Path(folder) / "log").open("wb")
        arguments = [folder, str(port), str(OPEN), str(CLOSED)]
        process = subprocess.Popen(
            [PYTHON, HERE / "_freqtrade.py", *arguments], cwd=folder, stdout=log, stderr=log
        )
        try:
            yield port, _log_in(f"http://127.0.0.1:{port}/api/v1", process)
        finally:
            process.kill()
            process.wait()
            log.close()


def _log_in(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = httpx.post(f"{url}/token/login", auth=(USER, PASSWORD), timeout=30)
            token = str(answer.raise_for_status().json()["access_token"])
            status = httpx.get(f"{url}/status", headers={"Authorization": f"Bearer {token}"})
            if len(status.raise_for_status().json()) == OPEN:
                return token
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise RuntimeError("freqtrade did not start")


def _install() -> None:
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PYTHON.parents[1]], check=True)
    known = subprocess.run([PYTHON, "-c", "import freqtrade"], check=False, capture_output=True)
    if known.returncode != 0:
        print("Installing freqtrade, which takes a minute or two", flush=True)
        pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "freqtrade"], check=True)


if __name__ == "__main__":
    main("peers", measure)
