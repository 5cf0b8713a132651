"""Tables of results, their JSON, and facts about the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("octobot", "flask", "gevent", "pydantic")

Cell = str | int | float | bool | None


@dataclass
class Table:
    """One printed table; each row maps column names to figures, with the unit in the name.

    `baseline` names the row that the `ratio_of` column is divided by: only ratios of
    one run can be compared between machines.
    """

    title: str
    rows: list[dict[str, Cell]] = field(default_factory=list)
    baseline: str | None = None
    ratio_of: str | None = None

    def add(self, name: str, **figures: Cell) -> None:
        """Append a row."""
        self.rows.append({"name": name, **figures})

    def with_ratios(self) -> list[dict[str, Cell]]:
        """Return the rows, each with its ratio to the baseline row if there is one."""
        if self.baseline is None or self.ratio_of is None:
            return self.rows
        base = next(row for row in self.rows if row["name"] == self.baseline)[self.ratio_of]
        return [{**row, "ratio": _ratio(row.get(self.ratio_of), base)} for row in self.rows]


def main(name: str, measure: Callable[[], Iterable[Table]]) -> None:
    """Run one benchmark: print each table as it is ready, then write all of them as JSON."""
    started = time.monotonic()
    print(f"\n# {name}: {describe(machine())}", flush=True)
    tables = []
    for table in measure():
        print(f"\n{render(table)}", flush=True)
        tables.append({"title": table.title, "rows": table.with_ratios()})
    taken_s = round(time.monotonic() - started, 1)
    RESULTS.mkdir(exist_ok=True)
    result = {"benchmark": name, "machine": machine(), "seconds": taken_s, "tables": tables}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\n{name} took {taken_s:.0f} s", flush=True)


def render(table: Table) -> str:
    """Format a table as Markdown, with aligned columns."""
    rows = table.with_ratios()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[_heading(column) for column in columns]]
    cells += [[_shown(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = [_line(line, widths) for line in cells]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([f"## {table.title}", "", lines[0], rule, *lines[1:]])


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def machine() -> Mapping[str, Cell]:
    """Return the facts about the machine that are needed to judge the figures."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def describe(facts: Mapping[str, Cell]) -> str:
    """Format machine facts as one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _ratio(value: Cell, base: Cell) -> float | None:
    if not isinstance(value, int | float) or not isinstance(base, int | float) or not base:
        return None
    return round(value / base, 3)


def _heading(column: str) -> str:
    return column.replace("_", " ")


def _shown(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [cells[0].ljust(widths[0])]
    aligned += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "| " + " | ".join(aligned) + " |"


if __name__ == "__main__":
    sys.exit("This is not a benchmark: run python -m benchmarks")
