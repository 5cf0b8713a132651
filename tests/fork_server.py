"""A process that imports everything once and forks servers; run by server_process.py.

It listens on the abstract Unix socket that its argument names. Each connection gets a fork of its
own, which serves one `ForkServer`: the first line is the path of its log. For each further line of
JSON, the settings, `sandbox_latency_s`, `give_up_after_s` (of `Bridge`), `clock_shift_s` (of the
wall clock), `asks_often` (see fast_polling.py), `crashes_after` (see crash_points.py) and
`offline_exchange` (the home has one, see tests/exchanges), that fork forks a server on a real
socket and answers `serving <pid> <port>`; when the server has ended, `dead <pid>` follows. The
process ends with its stdin.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import time_machine

from backend.bridge.live.reconciliation import GIVE_UP_AFTER_S
from backend.concurrency.gevent_host import GeventHost
from backend.server.server import Server, listen, serve_until_signal
from backend.settings.model import Settings
from backend.start import START_ERRORS, running_app
from tests.exchanges.exchange import FILE, OfflineExchange
from tests.exchanges.polling import poll_often
from tests.recovery import crash_points, fast_polling


def serve(given: dict[str, Any]) -> None:
    """Serve until a signal says otherwise."""
    latency_s = given.pop("sandbox_latency_s", 0)
    give_up_after_s = given.pop("give_up_after_s", GIVE_UP_AFTER_S)
    if given.pop("asks_often", False):
        fast_polling.ask_often()
    if shift_s := given.pop("clock_shift_s", 0):
        time_machine.travel(time.time() + shift_s).start()
    if crashes_after := given.pop("crashes_after", None):
        crash_points.crash_after(crashes_after)
    if given.pop("offline_exchange", False):
        OfflineExchange(Path(given["home"]) / FILE).install()
        poll_often()
    settings = Settings(_env_file=None, **{**given, "home": Path(given["home"])})
    listener = listen("127.0.0.1", given.get("port", 0))
    with listener, running_app(settings, GeventHost(), give_up_after_s=give_up_after_s) as app:
        if latency_s:
            app.extensions["backend"].bridge.sandbox.faults.latency_s = latency_s
        say("serving", os.getpid(), listener.getsockname()[1])
        serve_until_signal(Server(listener, app))


def say(*words: object) -> None:
    """Write a line in one piece, which a kill cannot cut."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def fork_servers() -> None:
    """Fork a server for each line on stdin, one after the other, and wait for its end."""
    say("ready", threading.active_count())
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                serve(json.loads(line))
            except START_ERRORS as error:
                sys.stderr.write(f"Error: {error}\n")
            finally:
                sys.stderr.flush()
                os._exit(0)
        os.waitpid(pid, 0)
        say("dead", pid)


def attend(connection: socket.socket) -> None:
    """Make a connection stdin and stdout, the log that it names stderr, and serve it to its end."""
    for descriptor in (0, 1):
        os.dup2(connection.fileno(), descriptor)
    connection.close()
    with open(sys.stdin.readline().rstrip("\n"), "ab") as log:
        os.dup2(log.fileno(), 2)
    fork_servers()


def main(name: str) -> None:
    """Fork for each connection until stdin ends."""
    gc.freeze()  # a fork that looks through all this copies it
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        say("listening")
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [], 1)
            while _reap():
                pass
            if sys.stdin in readable:
                return
            if listener not in readable:
                continue
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                try:
                    attend(connection)
                finally:
                    sys.stderr.flush()
                    os._exit(0)
            connection.close()


def _reap() -> bool:
    """Return whether a fork that has ended was taken note of."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main(sys.argv[1])
