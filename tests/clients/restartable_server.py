"""Server that is stopped or killed, and started again on its port and home."""

from __future__ import annotations

import signal
from pathlib import Path

from benchmarks.live import LiveServer, free_port
from tests.prepared_server import DEFAULTS, wait_until_ready
from tests.server_process import ForkServer


class RestartableServer:
    """A server on one port and home; without limits, because tests ask a lot."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self._home = folder / "instance"
        given = {**DEFAULTS, "rate_limit_enabled": False, "port": free_port(), **settings}
        self._fork_server = ForkServer(self._home, **given)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._process = self._fork_server.start()
        self.server: LiveServer = wait_until_ready(self._process, self._home)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait for its end."""
        self._process.send_signal(how)

    def close(self) -> None:
        """End it if it still runs, and what started it."""
        self._fork_server.close()
