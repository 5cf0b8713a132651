"""Required figures and their comparison with the measured ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from benchmarks.harness import RESULTS, Cell, Table


class Requirement(NamedTuple):
    """One figure and its bound: a benchmark, a row of it, a column."""

    what: str
    benchmark: str
    row: str
    column: str
    bound: float
    unit: str = ""
    at_least: bool = False

    def wanted(self) -> str:
        """Format the bound."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:,g} {self.unit}".strip()

    def judge(self, measured: float) -> dict[str, Cell]:
        """Return a row: bound, figure, verdict."""
        met = measured >= self.bound if self.at_least else measured <= self.bound
        here = f"{measured:,.3g}" if abs(measured) < 1000 else f"{measured:,.0f}"
        return {"wanted": self.wanted(), "here": f"{here} {self.unit}".strip(), "met": met}


def _reads() -> Iterator[Requirement]:
    for path in ("portfolio", "orders"):
        name, row = f"`GET /{path}`", f"GET /api/v1/{path}"
        yield Requirement(
            f"{name} beside a bare view, 64 connections", "http", row, "ratio", 0.6, "", True
        )
        yield Requirement(
            f"{name}: what is added to a bare view", "http", row, "added", 0.4, "of one"
        )
        yield Requirement(f"{name}, 1 connection, median", "http", row, "p50_ms_at_1", 1, "ms")
        yield Requirement(f"{name}, failed at 1 to 256 connections", "http", row, "failed", 0)
        for count in ("10,000", "100,000"):
            what = f"{name} with {count} trades, beside 10"
            yield Requirement(what, "history", count, f"{path}_ratio", 1.1, "times")


def _streams() -> Iterator[Requirement]:
    for row, p99_ms in (("1,000 x 100", 40), ("1,000 x 1,000", 100), ("5,000 x 100", 100)):
        name = f"streams, {row} events/s"
        yield Requirement(f"{name}, delivered", "fanout", row, "delivered_percent", 100, "%", True)
        yield Requirement(f"{name}, missing or out of order", "fanout", row, "broken", 0)
        yield Requirement(f"{name}, 99th percentile", "fanout", row, "p99_ms", p99_ms, "ms")
    yield Requirement("memory per stream", "fanout", "1,000 x 100", "kb_per_client", 25, "KB")
    what = "1,000 x 100 while 100 do not read, 99th percentile"
    yield Requirement(what, "fanout", "1,000 x 100, 100 stalled", "p99_ms", 40, "ms")
    yield Requirement("idle streams that stand", "scale", "both", "standing", 5_000, "", True)


def _bot() -> Iterator[Requirement]:
    for path in ("portfolio", "orders"):
        name, row = f"256 x GET /{path}", f"256 x GET /{path}"
        yield Requirement(
            f"the bot's loop under {name}, 99th percentile",
            "isolation",
            row,
            "lag_p99_ms",
            10,
            "ms",
        )
        what = f"`/healthz` under {name}, 99th percentile"
        yield Requirement(what, "isolation", row, "healthz_p99_ms", 100, "ms")


def _abuse() -> Iterator[Requirement]:
    abused = "all at once"
    yield Requirement("orders under abuse, median", "abuse", abused, "ratio", 2, "of idle")
    what = "`/healthz` under abuse, 99th percentile"
    yield Requirement(what, "abuse", abused, "healthz_p99_ms", 100, "ms")
    what = "log in, step up, cancel all, stop under abuse"
    yield Requirement(what, "abuse", "together", "taken_ms", 1000, "ms")


DEMANDS = (
    *_reads(),
    Requirement(
        "`POST /orders`, limit, median", "orders", "POST /orders, limit", "p50_ms", 3, "ms"
    ),
    Requirement(
        "orders placed by 50 identical posts at once",
        "orders",
        "50 x POST /orders, limit",
        "placed",
        1,
    ),
    Requirement(
        "channel to a client's socket, median", "orders", "order_filled", "p50_ms", 2, "ms"
    ),
    *_streams(),
    *_bot(),
    *_abuse(),
)


def requirements(benchmarks: Iterable[str]) -> Table:
    """Return the table of the requirements that these benchmarks have measured."""
    found = {name: _figures(name) for name in benchmarks}
    table = Table("What it is held to")
    for demand in DEMANDS:
        measured = found.get(demand.benchmark, {}).get((demand.row, demand.column))
        if isinstance(measured, int | float):
            table.add(demand.what, **demand.judge(measured))
    return table


def _figures(benchmark: str) -> dict[tuple[Cell, str], Cell]:
    """Return the figures of a benchmark, by row and column."""
    result = json.loads((RESULTS / f"{benchmark}.json").read_text(encoding="utf-8"))
    return {
        (row["name"], column): value
        for table in result["tables"]
        for row in table["rows"]
        for column, value in row.items()
    }
