"""Benchmark of fifty dashboards that poll four resources a second, follow a stream and buy.

    python -m benchmarks.dashboards

Polls send If-None-Match, as browsers do. The client is minimal: a client library for fifty streams
and two hundred requests a second would keep its own process busier than the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import defaultdict
from collections.abc import Iterator

from benchmarks._http_load import MARKET, get, post
from benchmarks._probes import lags, quantiles
from benchmarks._shared_servers import shared_server
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer

DASHBOARDS = 50
SECONDS = 8.0
POLL_S = 1.0
BUYS_EVERY = 4
POLLED = ("portfolio", "orders", "trades/history?limit=50", "tickers")
STREAM = "/api/v1/stream?topics=prices,orders,portfolio"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_ETAG = re.compile(rb"\r\netag: ([^\r]+)", re.IGNORECASE)


class Connection:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return a response's status and ETag, when it is complete."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length, etag = _LENGTH.search(head), _ETAG.search(head)
        await self._reader.readexactly(int(length[1]) if length else 0)
        return int(head[9:12]), etag[1] if etag else b""

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class Dashboards:
    """Many clients on one loop, and their results."""

    def __init__(self, server: LiveServer) -> None:
        self._port = server.port
        self._token = server.login()
        self._ends_at = 0.0
        self.taken_ms: dict[str, list[float]] = defaultdict(list)
        self.unchanged = self.failed = self.events = 0

    async def run(self) -> None:
        """Run all clients for a while."""
        self._ends_at = time.monotonic() + SECONDS
        dashboards = [self._poll(number) for number in range(DASHBOARDS)]
        streams = [self._listen() for _ in range(DASHBOARDS)]
        await asyncio.gather(*dashboards, *streams)

    async def _poll(self, number: int) -> None:
        etags: dict[str, bytes] = {}
        await asyncio.sleep(POLL_S * number / DASHBOARDS)
        with contextlib.closing(Connection(*await self._connect())) as connection:
            turn = number
            while time.monotonic() < self._ends_at:
                for path in POLLED:
                    known = b"If-None-Match: %b\r\n\r\n" % etags.get(path, b'""')
                    request = get(f"/api/v1/{path}", self._token)[:-2] + known
                    etags[path] = await self._ask(connection, f"GET /{path}", request)
                if turn % BUYS_EVERY == 0:
                    request = post("/api/v1/orders", self._token, MARKET)
                    await self._ask(connection, "POST /orders", request)
                turn += 1
                await asyncio.sleep(POLL_S)

    async def _ask(self, connection: Connection, name: str, request: bytes) -> bytes:
        started = time.perf_counter()
        status, etag = await connection.ask(request)
        self.taken_ms[name].append((time.perf_counter() - started) * 1000)
        self.unchanged += status == 304
        self.failed += status >= 400
        return etag

    async def _listen(self) -> None:
        reader, writer = await self._connect()
        writer.write(get(STREAM, self._token))
        with contextlib.suppress(asyncio.TimeoutError), contextlib.closing(writer):
            while (left_s := self._ends_at - time.monotonic()) > 0:
                chunk = await asyncio.wait_for(reader.read(1 << 16), left_s)
                self.events += chunk.count(b"event: ")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


def measure() -> Iterator[Table]:
    """Yield the table."""
    with shared_server() as server:
        dashboards = Dashboards(server)
        lags(server)
        asyncio.run(dashboards.run())
        late, rss_mb = lags(server), server.rss_mb()
    table = Table(f"{DASHBOARDS} dashboards for {SECONDS:g} s")
    for name, taken_ms in sorted(dashboards.taken_ms.items()):
        table.add(name, answers=len(taken_ms), **quantiles(taken_ms))
    yield table
    whole = Table("All of it")
    whole.add(
        "server",
        unchanged=dashboards.unchanged,
        failed=dashboards.failed,
        events_per_s=dashboards.events / SECONDS,
        rss_mb=rss_mb,
        **late,
    )
    yield whole


if __name__ == "__main__":
    main("dashboards", measure)
