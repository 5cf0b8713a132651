"""Write requirements/*.lock: exact versions and hashes of everything that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path("requirements")
INDEX = "https://pypi.org/simple"

# lock file: its source, the lowest Python, and where it is installed
LOCKS = {
    "octobot-2.0": ("setup.py", "3.10", "python_version < '3.12'"),
    "octobot-2.1": ("setup.py", "3.12", "python_version >= '3.12' and python_version < '3.14'"),
    "build": ("requirements/build.in", "3.10", "python_version < '3.14'"),
    "tools": ("requirements/tools.in", "3.10", "python_version < '3.14'"),
}


def write_lock(name: str, arguments: list[str]) -> None:
    """Resolve one lock file for all its Pythons and systems, keeping versions that still fit."""
    source, lowest, environment = LOCKS[name]
    target = REQUIREMENTS / f"{name}.lock"
    extras = ["--extra", "scale"] if source == "setup.py" else []
    # the same setuptools builds a source distribution and stays installed beside it
    same = ["--constraints", f"{REQUIREMENTS}/octobot-2.1.lock"] if name == "build" else []
    with tempfile.TemporaryDirectory() as project:
        # uv reads from a project alone for which environments it resolves
        Path(project, "pyproject.toml").write_text(
            f"[tool.uv]\nenvironments = [\"{environment} and sys_platform != 'win32'\"]\n",
            encoding="utf-8",
        )
        command = [Path(sys.executable).with_name("uv"), "pip", "compile", source, *extras, *same]
        command += ["--project", project, "--universal", "--python-version", lowest]
        command += ["--no-python-downloads", "--generate-hashes", "--no-annotate"]
        command += ["--default-index", INDEX, "--no-emit-index-url", "--quiet"]
        command += ["--custom-compile-command", "make lock", "--output-file", target, *arguments]
        # neither a mirror nor a setting of the machine may decide what is locked
        environ = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
        subprocess.run(command, check=True, env=environ)


if __name__ == "__main__":
    for lock in LOCKS:
        write_lock(lock, sys.argv[1:])
