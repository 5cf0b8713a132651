"""A process that imports everything once and gives life to servers; run by processes.py.

For each line of JSON on stdin, the settings, `sandbox_latency_s`, `asks_often` (see brisk.py)
and `dies_after` (see deaths.py), it forks a life: it serves the backend on a real socket, prints
`serving <pid> <port>`, and is told by signals when to end; then `dead <pid>` follows.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import backend.start
from backend.concurrency.gevent_host import GeventHost
from backend.server.server import Server, listen, serve_until_signal
from backend.settings.model import Settings
from tests.recovery import crash_points as deaths
from tests.recovery import fast_polling as brisk


def live(given: dict[str, Any]) -> None:
    """Serve until a signal says otherwise."""
    latency_s = given.pop("sandbox_latency_s", 0)
    if given.pop("asks_often", False):
        brisk.ask_often()
    if dies_after := given.pop("dies_after", None):
        deaths.die_after(dies_after)
    settings = Settings(_env_file=None, **{**given, "home": Path(given["home"])})
    listener = listen("127.0.0.1", 0)
    with listener, backend.start.running_app(settings, GeventHost()) as app:
        app.extensions["backend"].bridge.sandbox.faults.latency_s = latency_s
        say("serving", os.getpid(), listener.getsockname()[1])
        serve_until_signal(Server(listener, app))


def say(*words: object) -> None:
    """Write a line in one piece, which a kill cannot cut."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def main() -> None:
    """Fork a life for each line and wait for its death."""
    gc.freeze()  # a life that looks through all this copies it
    say("ready", threading.active_count())
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                live(json.loads(line))
            finally:
                sys.stderr.flush()
                os._exit(0)
        os.waitpid(pid, 0)
        say("dead", pid)


if __name__ == "__main__":
    main()
