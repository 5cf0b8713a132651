"""Fifty dashboards: each polls four resources a second, listens to a stream, buys now and then.

    python -m benchmarks.dashboards

Polls send If-None-Match, as browsers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator

import httpx

from benchmarks._asking import MARKET
from benchmarks._sharing import shared_server
from benchmarks._watching import lags, quantiles
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer

DASHBOARDS = 50
SECONDS = 8.0
POLL_S = 1.0
BUYS_EVERY = 4
POLLED = ("portfolio", "orders", "trades/history?limit=50", "tickers")


class Dashboards:
    """Many clients on one loop, and what they saw."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {server.login()}"}
        self._ends_at = time.monotonic() + SECONDS
        self.taken_ms: dict[str, list[float]] = defaultdict(list)
        self.unchanged = self.failed = self.events = 0

    async def run(self) -> None:
        """Let all of them run for a while."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=self._server.api, headers=self._headers, timeout=30, limits=limits
        ) as client:
            self._ends_at = time.monotonic() + SECONDS
            dashboards = [self._poll(client, number) for number in range(DASHBOARDS)]
            streams = [self._listen(client) for _ in range(DASHBOARDS)]
            await asyncio.gather(*dashboards, *streams)

    async def _poll(self, client: httpx.AsyncClient, number: int) -> None:
        etags: dict[str, str] = {}
        await asyncio.sleep(POLL_S * number / DASHBOARDS)
        turn = number
        while time.monotonic() < self._ends_at:
            for path in POLLED:
                headers = {"If-None-Match": etags[path]} if path in etags else {}
                answer = await self._ask(client, "GET", path, headers=headers)
                self.unchanged += answer.status_code == httpx.codes.NOT_MODIFIED
                etags[path] = answer.headers.get("ETag", "")
            if turn % BUYS_EVERY == 0:
                await self._ask(client, "POST", "orders", json=MARKET)
            turn += 1
            await asyncio.sleep(POLL_S)

    async def _ask(
        self, client: httpx.AsyncClient, method: str, path: str, **options: object
    ) -> httpx.Response:
        started = time.perf_counter()
        answer = await client.request(method, f"/{path}", **options)  # type: ignore[arg-type]
        taken_ms = (time.perf_counter() - started) * 1000
        self.taken_ms[f"{method} /{path}"].append(taken_ms)
        self.failed += answer.is_error
        return answer

    async def _listen(self, client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.ReadTimeout):
            async with client.stream("GET", "/stream?topics=prices,orders,portfolio") as lines:
                async for line in lines.aiter_lines():
                    self.events += line.startswith("event: ")
                    if time.monotonic() > self._ends_at:
                        return


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
