"""A server under a low limit on open files keeps descriptors for everything but connections."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys

import pytest

from tests.waiting import wait_until

OPEN_FILES = 256
SERVER = f"""
import json, resource, sys, tempfile
resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN_FILES}, {OPEN_FILES}))
from backend.concurrency.gevent_host import GeventHost
from backend.server.server import Server, listen, serve_until_signal

def application(environ, start_response):
    if environ["PATH_INFO"] == "/files":  # as the bot and the databases open theirs
        files = [tempfile.TemporaryFile() for _ in range(50)]
        for file in files:
            file.close()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"well"]

host = GeventHost()
listener = listen("127.0.0.1", 0)
server = Server(listener, application)
print(json.dumps([listener.getsockname()[1], server.admission.limits.total]), flush=True)
serve_until_signal(server)
"""


def ask(port: int, path: str, source: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30, (source, 0)) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := sock.recv(4096):
            answer += data
    return answer


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux only")
def test_connections_leave_descriptors_for_files_and_for_this_machine() -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with contextlib.ExitStack() as silent:
        try:
            assert process.stdout is not None
            port, total = json.loads(process.stdout.readline())
            assert total < OPEN_FILES - 100
            _fill(port, silent)
            # the server may reset who comes while it still closes the connections that it evicted
            assert wait_until(lambda: _is_answered(port))
            for _ in range(5):
                assert ask(port, "/files", "127.0.0.2").endswith(b"well")
                assert ask(port, "/healthz", "127.0.0.1").endswith(b"well")
        finally:
            process.kill()
            _, errors = process.communicate(timeout=60)
    assert "Too many open files" not in errors


def _fill(port: int, opened: contextlib.ExitStack) -> None:
    """Open more silent connections than there are descriptors; the server keeps what it can."""
    for _ in range(2 * OPEN_FILES):
        with contextlib.suppress(ConnectionResetError):
            opened.enter_context(socket.create_connection(("127.0.0.1", port), 30))


def _is_answered(port: int) -> bool:
    with contextlib.suppress(ConnectionResetError):
        return ask(port, "/files", "127.0.0.2").endswith(b"well")
    return False
