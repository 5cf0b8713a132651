"""LiveServer without a cold start: a fork of the process that has imported everything.

It runs what `octobot-backend run` runs, with its defaults; tests whose subject is the program
itself start that with `benchmarks.live.live_server`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.live import PASSWORD, LiveServer
from tests.server_process import ServerProcess, fork_server_at

DEFAULTS: dict[str, object] = {"admin_password": PASSWORD, "rate_limit_enabled": True}


def wait_until_ready(process: ServerProcess, home: Path) -> LiveServer:
    """Wait for the bot of a server that was just started; return the server."""
    process.api().wait_until_ready()
    return LiveServer(f"http://127.0.0.1:{process.port}", process.pid, home)


@contextmanager
def prepared_server(folder: Path, **settings: object) -> Iterator[LiveServer]:
    """Start a server whose home is `instance` in a folder, and end it afterwards."""
    home = folder / "instance"
    with fork_server_at(home, **{**DEFAULTS, **settings}) as fork_server:
        yield wait_until_ready(fork_server.start(), home)
