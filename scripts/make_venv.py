"""Create a virtual environment with pip in it, also where Debian's python3-venv is missing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path
from urllib.parse import urljoin

PIP_RELEASE = "https://pypi.org/pypi/pip/json"


def make_venv(folder: Path) -> None:
    """Make or refresh the environment in `folder`."""
    has_ensurepip = importlib.util.find_spec("ensurepip") is not None
    venv.create(folder, with_pip=has_ensurepip, symlinks=True)
    if not has_ensurepip:
        _install_pip(folder / "bin" / "python")


def _install_pip(python: Path) -> None:
    """Let the newest pip wheel install itself: a wheel can be run without being unpacked."""
    files = json.loads(_read(PIP_RELEASE))["urls"]
    wheel = next(file for file in files if file["filename"].endswith(".whl"))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, wheel["filename"])
        path.write_bytes(_read(urljoin(PIP_RELEASE, wheel["url"])))
        subprocess.run([python, path / "pip", "install", "--quiet", path], check=True)


def _read(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 (https only)
            return bytes(answer.read())
    except OSError as error:
        raise SystemExit(
            f"This Python has no ensurepip, and {url} cannot be read ({error}).\n"
            "On Debian and Ubuntu: apt install python3-venv"
        ) from None


if __name__ == "__main__":
    make_venv(Path(sys.argv[1]))
