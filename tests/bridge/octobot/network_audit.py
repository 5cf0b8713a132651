"""Runs the backend as `octobot-backend run` does, and writes down whom it tries to reach.

usage: python -m tests.bridge.octobot.network_audit FILE
"""

from __future__ import annotations

import json
import sys

_WATCHED = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
    "os.system",
)


def watch(path: str) -> None:
    """Append each attempt to the file, from whichever thread."""
    file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the process ends

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _WATCHED:
            file.write(json.dumps([event, [repr(argument) for argument in arguments]]) + "\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(sys.argv[1])
    from backend.cli.main import main

    main(["run"])
