"""The files that people run it with: unit, image and composition do what they say."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.settings.loading import load_settings
from backend.settings.model import Settings
from benchmarks.live import LiveServer, free_port
from tests.clients.conftest import program, server
from tests.clients.doc_snippets import ROOT

__all__ = ["program", "server"]

UNIT = ROOT / "deploy" / "octobot-backend.service"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def page_port() -> int:
    return free_port()


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def health_check(port: int) -> subprocess.CompletedProcess[str]:
    """Run the image's own check against a port of this machine."""
    (check,) = instructions("HEALTHCHECK")
    _python, *arguments = json.loads(check[check.index("CMD ") + 4 :])
    return subprocess.run(
        [sys.executable, *arguments],
        env={"BACKEND_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_images_health_check_tells_a_server_from_none(server: LiveServer) -> None:
    port = int(server.url.rpartition(":")[2])
    assert health_check(port).returncode == 0
    assert health_check(free_port()).returncode == 1


def test_the_image_runs_as_nobody_in_particular_and_ends_by_a_signal() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("CMD") == ['["octobot-backend", "run"]']
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "pip" not in last_stage
    assert not [line for line in instructions("FROM") if ":latest" in line or ":" not in line]


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in shlex.split(line)[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


@pytest.mark.parametrize("name", ["backend", "proxy"])
def test_the_containers_have_no_more_rights_than_they_need(name: str) -> None:
    service = COMPOSITION["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not [mount for mount in service["volumes"] if "docker.sock" in mount]


def test_only_the_proxy_is_reached_from_outside() -> None:
    services = COMPOSITION["services"]
    assert "ports" not in services["backend"]
    shared = set(services["backend"]["networks"]) & set(services["proxy"]["networks"])
    assert shared == {"inside"}
    inside = COMPOSITION["networks"]["inside"]
    assert inside["internal"] is True
    (subnet,) = inside["ipam"]["config"]
    assert services["backend"]["environment"]["BACKEND_TRUSTED_PROXIES"] == subnet["subnet"]


def test_the_settings_that_the_files_name_exist_and_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    image = dict(re.findall(r"(BACKEND_\w+)=(\S+)", "".join(instructions("ENV"))))
    composed = COMPOSITION["services"]["backend"]["environment"]
    given = {**image, **{name: "" if "$" in value else value for name, value in composed.items()}}
    fields = {name.removeprefix("BACKEND_").lower() for name in given}
    assert fields <= set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(_env_file=None, admin_password="correct horse battery")
    assert settings.env == "production"
    assert settings.metrics_token is None


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with this environment's own program, since it is not installed in /opt here."""
    installed = Path(sys.executable).with_name("octobot-backend")
    text = UNIT.read_text(encoding="utf-8").replace(
        "/opt/octobot-backend/bin/octobot-backend", str(installed)
    )
    path = tmp_path / UNIT.name
    path.write_text(text)
    return path


def test_systemd_takes_the_unit(unit: Path, program: Callable[..., str]) -> None:
    verdict = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = [line for line in verdict.stderr.splitlines() if UNIT.name in line]
    assert (verdict.returncode, said) == (0, [])


def test_systemd_finds_little_that_the_unit_is_exposed_to(
    unit: Path, program: Callable[..., str]
) -> None:
    command = [program("systemd-analyze"), "security", "--offline=true", "--threshold=25", unit]
    verdict = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert verdict.returncode == 0, verdict.stdout


def test_the_package_holds_all_that_runs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    sources = ("backend", "setup.py", "pyproject.toml", "README.md", "LICENSE")
    for name in sources:
        (tmp_path / name).symlink_to(ROOT / name)
    subprocess.run([*build, "--wheel-dir", tmp_path, tmp_path], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    written = {str(path.relative_to(ROOT)) for path in (ROOT / "backend").rglob("*.py")}
    assert written <= packed
    assert not [name for name in packed if name.startswith(("tests/", "benchmarks/"))]


def test_the_proxy_does_not_redirect_plain_http() -> None:
    assert "auto_https disable_redirects" in (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
