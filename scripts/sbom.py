"""Write a CycloneDX bill of materials for each OctoBot line into dist/, from its lock file."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = ("octobot-2.0", "octobot-2.1")


def read_version() -> str:
    """Return `__version__` of the package without importing it."""
    source = Path("backend", "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        raise SystemExit("backend/__init__.py holds no __version__")
    return found[1]


def write_sbom(line: str, version: str, folder: Path) -> Path:
    """Write and validate the bill of one lock file, the same bytes for the same lock."""
    target = folder / f"sbom-{version}-{line}.json"
    with tempfile.TemporaryDirectory() as project:
        about = Path(project, "pyproject.toml")
        about.write_text(
            f'[project]\nname = "octobot-backend"\nversion = "{version}"\n'
            'license = "GPL-3.0-only"\n',
            encoding="utf-8",
        )
        command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements"]
        command += ["--pyproject", str(about), "--output-reproducible", "--validate"]
        command += ["--output-format", "JSON", "--output-file", str(target)]
        subprocess.run([*command, f"requirements/{line}.lock"], check=True)
    return target


if __name__ == "__main__":
    dist = Path("dist")
    dist.mkdir(exist_ok=True)
    for octobot_line in LINES:
        print(write_sbom(octobot_line, read_version(), dist))
