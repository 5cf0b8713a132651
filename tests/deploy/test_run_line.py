"""Suite runner: failures beside others are run again alone, and shown with their reasons."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients.doc_snippets import ROOT

FAILS_BESIDE_OTHERS = """
import os

def test_sound():
    pass

def test_crowded():
    assert "PYTEST_XDIST_WORKER" not in os.environ, "too crowded"
"""
FAILS_ALWAYS = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_wrong(number):
    assert number < 0, "never below zero"
"""
SKIPPED_ALONE = """
import os
import pytest

def test_skipped():
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("not when it is alone")
    raise AssertionError("wrong")
"""
KILLS_ITS_WORKER = """
import os

def test_deadly():
    if "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(1)
"""


class Run(NamedTuple):
    """Status, output and summary of a finished run."""

    status: int
    output: str
    summary: str


def run(folder: Path, tests: str) -> Run:
    """Run the tests of one file as `make test` runs a line."""
    environment = folder / "environment"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q -p xdist\n")
    (folder / "test_some.py").write_text(tests)
    summary = folder / "summary"
    environ = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a faster start
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts/run_line.py", environment, summary, "1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environ,
    )
    return Run(
        finished.returncode,
        finished.stdout + finished.stderr,
        summary.read_text() if summary.exists() else "",
    )


def test_a_test_that_fails_only_beside_others_is_reported_and_does_not_fail_the_run(
    tmp_path: Path,
) -> None:
    status, output, summary = run(tmp_path, FAILS_BESIDE_OTHERS)
    assert status == 0, output
    assert (
        "UNSTABLE, failed once beside others, passed alone: test_some.py::test_crowded: "
        "AssertionError: too crowded"
    ) in summary
    assert "os.environ" in summary, "the text of the first failure"
    assert "test_sound" not in summary.partition("UNSTABLE")[2]


def test_a_test_that_fails_again_fails_the_run(tmp_path: Path) -> None:
    status, output, summary = run(tmp_path, FAILS_BESIDE_OTHERS + FAILS_ALWAYS.format(count=1))
    assert status == 1, output
    verdicts = {line for line in summary.splitlines() if line.startswith(("FAILED", "UNSTABLE"))}
    assert verdicts == {
        "UNSTABLE, failed once beside others, passed alone: test_some.py::test_crowded: "
        "AssertionError: too crowded",
        "FAILED: test_some.py::test_wrong[0]: AssertionError: never below zero",
    }


def test_more_failures_than_chance_explains_are_not_run_again(tmp_path: Path) -> None:
    status, output, summary = run(tmp_path, FAILS_ALWAYS.format(count=21))
    assert status == 1
    assert "once more" not in output
    assert summary.count("\nFAILED: ") == 21


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        pytest.param(SKIPPED_ALONE, 1, id="skipped alone"),
        pytest.param(KILLS_ITS_WORKER, 0, id="ended its worker"),
    ],
)
def test_only_a_pass_alone_excuses(tmp_path: Path, tests: str, expected: int) -> None:
    status, output, summary = run(tmp_path, tests)
    assert status == expected, output
    assert summary


def test_an_error_outside_of_tests_fails_the_run(tmp_path: Path) -> None:
    status, output, summary = run(tmp_path, "import no_such_module_at_all")
    assert status not in (0, 5), output
    assert "no_such_module_at_all" in summary


def test_a_run_that_passes_has_no_summary(tmp_path: Path) -> None:
    status, output, summary = run(tmp_path, "def test_sound(): pass")
    assert (status, summary) == (0, ""), output
