"""A server that is stopped or killed, and started again where it was."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

from benchmarks.live import LiveServer, free_port, live_server


class Restarting:
    """A server on one port and home; without limits, because tests ask a lot."""

    def __init__(self, home: Path, **settings: object) -> None:
        self._home = home
        self._port = free_port()
        self._settings = {"rate_limit_enabled": False, **settings}
        self._life = ExitStack()
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.server: LiveServer = self._life.enter_context(
            live_server(self._home, port=self._port, **self._settings)
        )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait for its end."""
        if how != signal.SIGTERM:  # which comes now, and ends it at once when it comes twice
            os.kill(self.server.pid, how)
        self._life.close()
