"""Ask the Python advisory database about everything that the lock files install.

Exits with 0 if no hole is known, 1 if one is, and 2 if not every package got an answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

LOCKS = {
    "octobot-2.0": ("3.10", "3.11"),
    "octobot-2.1": ("3.12", "3.13"),
    "build": ("3.13",),
    "tools": ("3.13",),
}


def locked(lock: str, pythons: tuple[str, ...]) -> list[set[str]]:
    """Return one set of `name==version` per Python; pip-audit itself knows only that it runs on."""
    lines = Path("requirements", f"{lock}.lock").read_text(encoding="utf-8").splitlines()
    requirements = [
        Requirement(line.rstrip(" \\")) for line in lines if line and line[0] not in "# "
    ]
    return [
        {
            f"{requirement.name}{requirement.specifier}"
            for requirement in requirements
            if requirement.marker is None
            or requirement.marker.evaluate(
                {"python_version": python, "python_full_version": f"{python}.99"}
            )
        }
        for python in pythons
    ]


def ask(requirements: set[str], arguments: list[str]) -> dict[str, list[str]]:
    """Return the ids of the known holes of each requirement that pip-audit got an answer about."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(sorted(requirements)))
        listed.flush()
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps"]
        command += ["--progress-spinner=off", "--format=json", f"--requirement={listed.name}"]
        audit = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    answers: list[dict[str, Any]] = json.loads(audit.stdout)["dependencies"] if audit.stdout else []
    return {
        f"{answer['name']}=={answer['version']}": [hole["id"] for hole in answer["vulns"]]
        for answer in answers
        if "skip_reason" not in answer
    }


def main(arguments: list[str]) -> int:
    """Print a line per locked version with known holes, and a line per lock file."""
    unasked, holes = 0, 0
    for lock, pythons in LOCKS.items():
        by_python = locked(lock, pythons)
        answers: dict[str, list[str]] = {}
        for requirements in by_python:
            answers |= ask(requirements, arguments)
        wanted = len(set[str]().union(*by_python))
        unasked += wanted - len(answers)
        if not answers:
            break
        found = {requirement: ids for requirement, ids in sorted(answers.items()) if ids}
        holes += len(found)
        for requirement, ids in found.items():
            print(f"{lock}: {requirement}: {', '.join(ids)}")
        print(f"{lock}: {len(found)} of {wanted} packages with known holes")
    if unasked:
        print(f"Not audited: no advisories could be had for {unasked} packages or more.")
        return 2
    return 1 if holes else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
