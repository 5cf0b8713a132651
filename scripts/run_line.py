"""Run pytest in one environment; run what failed there beside others once more, alone.

usage: run_line.py ENVIRONMENT SUMMARY WORKERS [PYTEST-ARGUMENT...]

A test that passes alone is reported as unstable, and the run passes: what fails on a crowded
machine only is to be mended, but says nothing against the change at hand. SUMMARY is a file for
the failures, to be shown again when all lines have run. The exit status is pytest's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

AT_MOST = 20
"""So many failed tests are run again; more of them are no matter of chance."""
TESTS_FAILED = 1
NOTHING_TO_RUN = 5
LINES_OF_TEXT = 40
HANGS_AFTER_S = 600
NAME_THE_LINE = """
import platform
from importlib.metadata import PackageNotFoundError, version
try:
    print(f"Python {platform.python_version()}, OctoBot {version('octobot')}")
except PackageNotFoundError:
    print(f"Python {platform.python_version()}")
"""


def name_line(environment: Path) -> str:
    """Return the versions of Python and OctoBot in an environment."""
    command = [str(environment / "bin/python"), "-c", NAME_THE_LINE]
    asked = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return asked.stdout.strip()


def run_pytest(environment: Path, report: Path, arguments: list[str]) -> int:
    """Run pytest, its results also written to a JUnit file; return its status."""
    command = [str(environment / "bin/python"), "-m", "pytest", *arguments]
    command += ["-o", f"faulthandler_timeout={HANGS_AFTER_S}", "-o", "junit_family=xunit1"]
    command += [f"--junitxml={report}"]
    return subprocess.run(command, check=False).returncode


def read_outcomes(report: Path) -> dict[str, str | None]:
    """Return each test of a JUnit file that ran, with the text of its failure or None."""
    if not report.exists():  # pytest ended before it wrote one
        return {}
    outcomes: dict[str, str | None] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        if case.find("skipped") is not None:
            continue
        where = case.get("file") or case.get("classname", "")
        failures = [child for child in case if child.tag in ("failure", "error")]
        texts = [child.text or child.get("message") or child.tag for child in failures]
        name = f"{where}::{case.get('name')}"
        outcomes[name] = "\n".join([*filter(None, [outcomes.get(name)]), *texts]) or None
    return outcomes


def reason(text: str) -> str:
    """Return the line of a failure's text that says what was wrong."""
    lines = text.splitlines() or [""]
    return next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1])


def summarize(line: str, first: Mapping[str, str], unstable: set[str], status: int) -> str:
    """Return the failures of a line: their texts, then their names with one reason each."""
    parts = [f"== {line}: {'failed' if status else 'passed'}"]
    for name, text in first.items():
        last_lines = "\n".join(text.splitlines()[-LINES_OF_TEXT:])
        parts.append(f"-- {name}\n{last_lines}\n")
    for name, text in first.items():
        verdict = (
            "UNSTABLE, failed once beside others, passed alone" if name in unstable else "FAILED"
        )
        parts.append(f"{verdict}: {name}: {reason(text)}")
    if status and not first:
        parts.append(f"FAILED: pytest ended with status {status}")
    return "\n".join(parts) + "\n"


def run_line(environment: Path, summary: Path, workers: str, arguments: list[str]) -> int:
    """Run a line's tests beside each other, then those that failed alone; return the status."""
    line = name_line(environment)
    print(f"== {line}", flush=True)
    cache = ["-o", f"cache_dir={environment / '.pytest_cache'}"]  # --last-failed, line by line
    together = ["-rs", "-n", workers, "--dist", "loadfile", "--no-loadscope-reorder", *cache]
    with tempfile.TemporaryDirectory(prefix="test-report-") as folder:
        report = Path(folder, "together.xml")
        status = run_pytest(environment, report, [*together, *arguments])
        outcomes = read_outcomes(report)
        first = {name: text for name, text in outcomes.items() if text is not None}
        unstable: set[str] = set()
        if status == TESTS_FAILED and 0 < len(first) <= AT_MOST:
            print(f"== {line}: once more, alone: {len(first)} that failed", flush=True)
            report = Path(folder, "alone.xml")
            alone = ["--last-failed", "--last-failed-no-failures", "none", "-n", "0"]
            run_pytest(environment, report, [*cache, *arguments, *alone])
            outcomes = read_outcomes(report)
            unstable = {name for name in first if outcomes.get(name, "not run") is None}
            status = 0 if unstable == set(first) else TESTS_FAILED
    if first or status not in (0, NOTHING_TO_RUN):
        summary.write_text(summarize(line, first, unstable, status), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(run_line(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))
