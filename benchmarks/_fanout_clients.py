"""Load process of the fan-out benchmark: many stream clients.

Run with a port, a number of clients, and a number of stalled clients, which never read.
Prints a line when the others are connected and, after a line on stdin, another one when
the clients have their snapshots. Then it responds to `count` with the number of
received events, and to any other line with a line of JSON about them, which is the end.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

from backend.server.server import raise_open_files_limit
from benchmarks.harness import percentile

REQUEST = b"GET /stream HTTP/1.0\r\n\r\n"  # 1.0: no chunked framing to undo
ID, STAMP = b"id: ", b'"t":'


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    """Open a stream."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(("127.0.0.1", port))
    sock.sendall(REQUEST)
    return sock


def place(data: bytes, start: int) -> int:
    """Parse the number in the id that begins there."""
    return int(data[data.index(b"-", start) + 1 : data.index(b"\n", start)])


class Clients:
    """Streams that check on reading that no event is missing, duplicate or out of order."""

    def __init__(self, port: int, count: int) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._last: dict[int, int] = {}
        self.events = self.broken = 0
        self.latencies_ms: list[float] = []
        for _ in range(count):
            sock = connect(port)
            self._sockets[sock.fileno()] = sock
        for fd, sock in self._sockets.items():
            head = b""
            while b"retry" not in head or not head.endswith(b"\n\n"):
                head += sock.recv(65536)
            sock.setblocking(False)
            self._poll.register(fd, select.EPOLLIN)
            self._rest[fd] = b""

    def read_until_told(self) -> None:
        """Read until a line other than `count` comes on stdin."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        told = False
        while not told:
            for fd, _ in self._poll.poll():
                if fd == sys.stdin.fileno():
                    told = sys.stdin.readline() != "count\n"
                    if not told:
                        print(self.events, flush=True)
                else:
                    self._read(fd)

    def _read(self, fd: int) -> None:
        data = self._rest[fd] + self._sockets[fd].recv(262144)
        end = data.rfind(b"\n\n") + 2
        if end < 2:
            self._rest[fd] = data
            return
        self._rest[fd] = data[end:]
        first = data.find(ID, 0, end)
        if first < 0:
            return  # a heartbeat
        # without a regular expression, which took twice as long as all else and delayed the load
        stamp = data.index(STAMP, first, end) + len(STAMP)
        sent_ns = int(data[stamp : data.index(b"}", stamp)])
        self.latencies_ms.append((time.monotonic_ns() - sent_ns) / 1e6)
        begin, stop = place(data, first), place(data, data.rfind(ID, 0, end))
        count = data.count(ID, 0, end)
        if begin != self._last.get(fd, begin - 1) + 1 or stop - begin + 1 != count:
            self.broken += 1
        self._last[fd] = stop
        self.events += count


def main(port: int, count: int, stalled: int) -> None:
    """Connect, print, read, print."""
    silent = [connect(port, receive_buffer=4096) for _ in range(stalled)]
    print("silent", flush=True)
    sys.stdin.readline()
    clients = Clients(port, count)
    print("connected", flush=True)
    clients.read_until_told()
    latencies = clients.latencies_ms or [float("nan")]
    report = {
        "events": clients.events,
        "broken": clients.broken,
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
    }
    print(json.dumps(report), flush=True)
    for sock in silent:
        sock.close()


if __name__ == "__main__":
    raise_open_files_limit()
    main(*map(int, sys.argv[1:]))
