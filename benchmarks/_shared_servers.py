"""A running server and homes with a long history, shared by the benchmarks of one run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks._http_load import UNLIMITED
from benchmarks._long_history import PAPER_BALANCE, write_history
from benchmarks.live import BENCHMARK_SERVER, LiveServer, live_server

SETTINGS = {"paper_balance": PAPER_BALANCE, "stream_heartbeat": 2, **UNLIMITED}
LONGEST = 100_000
_SERVER, _HOMES = "BENCH_SERVER", "BENCH_HOMES"


@contextlib.contextmanager
def start_shared_server() -> Iterator[dict[str, str]]:
    """Run a bot; yields the environment variables with which a script uses it."""
    with live_server(command=BENCHMARK_SERVER, **SETTINGS) as server:
        yield {_SERVER: json.dumps([server.url, server.pid, str(server.home)])}


def write_shared_homes(folder: Path) -> dict[str, str]:
    """Return the environment variables with which a script shares its homes."""
    return {_HOMES: str(folder)}


def write_longest(folder: Path) -> None:
    """Write the home that takes longest; several scripts begin with it."""
    write_history(folder / str(LONGEST), LONGEST)


@contextlib.contextmanager
def shared_server() -> Iterator[LiveServer]:
    """Yield the bot of this run, or one of this script's own; open orders end with it."""
    with contextlib.ExitStack() as stack:
        if _SERVER in os.environ:
            url, pid, home = json.loads(os.environ[_SERVER])
            server = LiveServer(url, pid, Path(home))
        else:
            started = live_server(command=BENCHMARK_SERVER, **SETTINGS)
            server = stack.enter_context(started)
        yield server
        with server.client() as client:
            client.delete("/orders", timeout=60).raise_for_status()


def long_history(home: Path, count: int) -> None:
    """Write `count` trades into an empty home, or copy the one that this run has."""
    if _HOMES not in os.environ:
        write_history(home, count)
        return
    kept = Path(os.environ[_HOMES]) / str(count)
    if not kept.exists():
        write_history(kept, count)
    shutil.copytree(kept, home, dirs_exist_ok=True)
