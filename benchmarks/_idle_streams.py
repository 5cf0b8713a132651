"""Client process with many idle streams, for the benchmark of scale.

Run with a port, a count and tokens, which take turns; prints a line when all streams have their
first bytes, and, after a line on stdin, a line of JSON with the number of open streams.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from backend.server.server import raise_open_files_limit

AT_ONCE = 64
REQUEST = "GET /api/v1/stream?topics=bot HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n"


def open_stream(port: int, request: bytes) -> socket.socket:
    """Open a stream and wait for its snapshot; retry when the server asks for that."""
    while True:
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        sock.sendall(request)
        received = b""
        while b"event: snapshot" not in received and b"Retry-After" not in received:
            data = sock.recv(65536)
            if not data:
                raise RuntimeError(received.decode(errors="replace"))
            received += data
        if b"event: snapshot" in received:
            sock.setblocking(False)
            return sock
        sock.close()
        time.sleep(1)


def is_open(sock: socket.socket) -> bool:
    """Return whether the server has kept the stream open."""
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main(port: int, count: int, tokens: list[str]) -> None:
    """Connect, print, wait, print."""
    requests = itertools.cycle(REQUEST.format(token).encode() for token in tokens)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        streams = list(threads.map(lambda _: open_stream(port, next(requests)), range(count)))
    print("connected", flush=True)
    sys.stdin.readline()
    print(json.dumps({"standing": sum(map(is_open, streams))}), flush=True)


if __name__ == "__main__":
    raise_open_files_limit()
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
