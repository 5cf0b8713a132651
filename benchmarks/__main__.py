"""Runner of every benchmark of this folder, or the named ones, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks._requirements import requirements
from benchmarks._shared_servers import start_shared_server, write_longest, write_shared_homes
from benchmarks.harness import RESULTS, render

FOLDER = Path(__file__).parent
NOT_A_BENCHMARK = frozenset({"__init__", "__main__", "harness", "live"})
SHARE_A_BOT = ("http", "orders", "isolation", "dashboards")
SHARE_LONGEST = ("history", "scale")
BUDGET_S = 300


def find_benchmarks() -> list[str]:
    """Return the names of all benchmarks, in the order in which they run."""
    names = (path.stem for path in sorted(FOLDER.glob("*.py")))
    found = {name for name in names if name not in NOT_A_BENCHMARK and not name.startswith("_")}
    return [*SHARE_A_BOT, *sorted(found.difference(SHARE_A_BOT))]


def main(wanted: list[str]) -> int:
    """Run the benchmarks and return the number of failed ones."""
    known = find_benchmarks()
    if unknown := set(wanted) - set(known):
        print(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(known)}")
        return 2
    started = time.monotonic()
    chosen = [name for name in known if name in wanted or not wanted]
    failed = _run_all(chosen)
    _judge([name for name in chosen if name not in failed])
    taken_s = time.monotonic() - started
    print(f"\n{taken_s:.0f} s in all; results are in benchmarks/results")
    if not wanted and taken_s > BUDGET_S:
        print(f"That is more than the {BUDGET_S} s that all benchmarks together may take")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return len(failed)


def _run_all(names: list[str]) -> list[str]:
    """Run the benchmarks: first those that share a bot, then the rest, after it has ended."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as bot:
        shared = write_shared_homes(Path(folder))
        with ThreadPoolExecutor(1) as writer:  # before the bot, whose boot leaves time for it
            if set(names) & set(SHARE_LONGEST):
                writer.submit(write_longest, Path(folder))
            if set(names) & set(SHARE_A_BOT):
                shared |= bot.enter_context(start_shared_server())
        failed = []
        for name in names:
            if name not in SHARE_A_BOT:
                bot.close()
            if not _run(name, shared):
                failed.append(name)
        return failed


def _run(name: str, shared: dict[str, str]) -> bool:
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    environment = os.environ | shared
    return subprocess.run(command, cwd=FOLDER.parent, env=environment, check=False).returncode == 0


def _judge(names: list[str]) -> None:
    table = requirements(names)
    if table.rows:
        print(f"\n{render(table)}", flush=True)
        text = json.dumps(table.rows, indent=2, ensure_ascii=False)
        (RESULTS / "held_to.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
