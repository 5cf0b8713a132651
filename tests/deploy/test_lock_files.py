"""Lock files that fit setup.py, with hashes on every line, and the audit of them."""

from __future__ import annotations

import re
import subprocess
import sys
from distutils.core import run_setup
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.clients.doc_snippets import ROOT

REQUIREMENTS = ROOT / "requirements"
LOCKS = ("octobot-2.0", "octobot-2.1", "build", "tools")
LOCK_OF_PYTHON = {
    "3.10": "octobot-2.0",
    "3.11": "octobot-2.0",
    "3.12": "octobot-2.1",
    "3.13": "octobot-2.1",
}
SYSTEMS = ("linux", "darwin")


def entries(lock: str) -> list[str]:
    """Return each requirement of a lock file with its hashes, as one line."""
    text = (REQUIREMENTS / f"{lock}.lock").read_text(encoding="utf-8").replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def environment(python: str, system: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.99",
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def locked(lock: str, python: str, system: str) -> dict[str, str]:
    """Return the version of each package that a lock file installs on one Python and system."""
    requirements = [Requirement(entry.partition(" --hash")[0]) for entry in entries(lock)]
    chosen = [
        one
        for one in requirements
        if one.marker is None or one.marker.evaluate(environment(python, system))
    ]
    names = [canonicalize_name(one.name) for one in chosen]
    assert len(names) == len(set(names))
    return {
        name: str(one.specifier).removeprefix("==") for name, one in zip(names, chosen, strict=True)
    }


def misfits(wanted: list[str], lock: str, python: str, system: str) -> list[str]:
    """Return the requirements that a lock file leaves out or breaks."""
    versions = locked(lock, python, system)
    return [
        str(one)
        for one in map(Requirement, wanted)
        if one.marker is None or one.marker.evaluate(environment(python, system))
        if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))
    ]


def source(name: str) -> list[str]:
    lines = (REQUIREMENTS / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_names_one_version_and_its_hashes(lock: str) -> None:
    line = re.compile(r"[a-z0-9-]+==[\w.]+ ; [^;]+?(?: --hash=sha256:[0-9a-f]{64})+")
    squeezed = [re.sub(r"\s+", " ", entry) for entry in entries(lock)]
    assert squeezed
    assert [entry for entry in squeezed if line.fullmatch(entry) is None] == []


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", LOCK_OF_PYTHON)
def test_the_lock_of_each_python_has_what_setup_py_asks_for(python: str, system: str) -> None:
    project = run_setup(str(ROOT / "setup.py"), stop_after="init")
    wanted = [*project.install_requires, *project.extras_require["scale"]]
    assert len(wanted) > 25
    assert misfits(wanted, LOCK_OF_PYTHON[python], python, system) == []


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", LOCK_OF_PYTHON)
@pytest.mark.parametrize("name", ["build", "tools"])
def test_the_locks_of_the_tools_fit_their_sources(name: str, python: str, system: str) -> None:
    assert misfits(source(name), name, python, system) == []


@pytest.mark.parametrize("python", LOCK_OF_PYTHON)
def test_the_setuptools_that_builds_is_the_one_that_stays_installed(python: str) -> None:
    installed = locked(LOCK_OF_PYTHON[python], python, "linux")
    assert locked("build", python, "linux")["setuptools"] == installed["setuptools"]
    required = re.search(r'^requires = \["(.+)"\]$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert required is not None
    assert misfits([required[1]], "build", python, "linux") == []


def test_the_image_installs_only_what_is_locked() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    installs = [part for part in re.split(r"&&|\n", dockerfile) if "pip install" in part]
    (python,) = set(re.findall(r"^FROM python:(\d\.\d+)", dockerfile, re.MULTILINE))
    locks = [re.findall(r"-r requirements/(\S+)\.lock", part) for part in installs]
    assert locks == [["build"], [LOCK_OF_PYTHON[python]], []]
    assert all("--require-hashes" in part for part in installs[:2])
    assert all("--no-build-isolation" in part for part in installs[1:])
    assert all("--no-deps" in part for part in installs[1:])
    assert "pip check" in dockerfile


PIP_AUDIT = """
import json, sys
(listed,) = [one.partition("=")[2] for one in sys.argv if one.startswith("--requirement=")]
pins = [line.split("==") for line in open(listed).read().split()]
print(json.dumps({{"dependencies": [{answer} for name, version in pins]}}))
"""
KNOWN = '{"name": name, "version": version, "vulns": [{"id": "PYSEC-1"}] if name == %r else []}'
SKIPPED = '{"name": name, "skip_reason": "not found"}'


@pytest.mark.parametrize(
    ("answer", "code", "last_line"),
    [
        (KNOWN % "nothing", 0, "tools: 0 of "),
        (KNOWN % "uv", 1, "tools: 1 of "),
        (SKIPPED, 2, "Not audited: no advisories could be had for "),
    ],
)
def test_an_audit_that_got_no_answers_is_not_a_clean_one(
    answer: str, code: int, last_line: str, tmp_path: Path
) -> None:
    (tmp_path / "pip_audit.py").write_text(PIP_AUDIT.format(answer=answer), encoding="utf-8")
    audit = subprocess.run(
        [sys.executable, "scripts/audit.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (audit.returncode, audit.stderr) == (code, "")
    assert audit.stdout.splitlines()[-1].startswith(last_line)
