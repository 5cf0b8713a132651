"""Run every benchmark of this folder, or those that are named, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
NOT_A_BENCHMARK = frozenset({"__init__", "__main__", "harness", "live"})
BUDGET_S = 300


def find_benchmarks() -> list[str]:
    """Return the names of all benchmarks, in the order in which they run."""
    names = (path.stem for path in sorted(FOLDER.glob("*.py")))
    return [name for name in names if name not in NOT_A_BENCHMARK and not name.startswith("_")]


def main(wanted: list[str]) -> int:
    """Run and return how many failed."""
    known = find_benchmarks()
    if unknown := set(wanted) - set(known):
        print(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(known)}")
        return 2
    started = time.monotonic()
    failed = [name for name in wanted or known if not _run(name)]
    taken_s = time.monotonic() - started
    print(f"\n{taken_s:.0f} s in all; results are in benchmarks/results")
    if not wanted and taken_s > BUDGET_S:
        print(f"That is more than the {BUDGET_S} s that all benchmarks together may take")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return len(failed)


def _run(name: str) -> bool:
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    return subprocess.run(command, cwd=FOLDER.parent, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
