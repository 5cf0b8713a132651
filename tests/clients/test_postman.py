"""The Postman collection: made from swagger.yaml, and run by newman against a server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.live import LiveServer
from tests.clients.doc_snippets import ROOT
from tests.prepared_server import prepared_server

pytestmark = pytest.mark.long

POSTMAN = ROOT / "postman"
NEWMAN = POSTMAN / "node_modules" / "newman" / "bin" / "newman.js"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose limits the collection does not reach, since it would wait for a minute."""
    limits = {"rate_limit_trade": "100/minute", "rate_limit_login": "100/minute"}
    with prepared_server(tmp_path, **limits) as server:
        yield server


@pytest.fixture(scope="module")
def node(program: Callable[..., str]) -> str:
    """Node with the Postman tools installed."""
    found = program("node")
    if not NEWMAN.exists():
        pytest.skip("the Postman tools are not installed: run make test, or npm ci in postman/")
    return found


def requests_of(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [request for folder in items for request in folder["item"]]


def test_the_committed_files_are_what_swagger_yaml_gives(node: str, tmp_path: Path) -> None:
    generator = [node, POSTMAN / "generate.mjs", ROOT / "swagger.yaml", tmp_path]
    subprocess.run(generator, check=True, timeout=120)
    for name in ("collection.json", "environment.json"):
        assert (tmp_path / name).read_text() == (POSTMAN / name).read_text()


def test_the_tools_come_from_the_public_registry() -> None:
    lock = json.loads((POSTMAN / "package-lock.json").read_text())
    hosts = {urlsplit(p["resolved"]).netloc for p in lock["packages"].values() if "resolved" in p}
    assert hosts <= {"registry.npmjs.org"}
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_every_request_checks_its_status() -> None:
    collection = json.loads((POSTMAN / "collection.json").read_text())
    for request in requests_of(collection["item"]):
        scripts = [line for event in request["event"] for line in event["script"]["exec"]]
        # 101: the socket's; 302: of the pages of a sign-in
        checks = r"to.have.status\((2..|101|302)\)"
        assert any(re.search(checks, line) for line in scripts), request["name"]


def test_the_collection_runs_from_top_to_bottom(
    node: str, server: LiveServer, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    variables = {"baseUrl": server.url, "password": server.password, "runner": "newman"}
    command = [node, NEWMAN, "run", POSTMAN / "collection.json"]
    command += ["--environment", POSTMAN / "environment.json", "--timeout-request", "30000"]
    command += ["--reporters", "cli,json", "--reporter-json-export", report]
    for name, value in variables.items():
        command += ["--env-var", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(report.read_text())["run"]
    collection = json.loads((POSTMAN / "collection.json").read_text())
    streams = [r for r in requests_of(collection["item"]) if "skipRequest" in json.dumps(r)]
    sent = len(requests_of(collection["item"])) - len(streams)
    assert run["stats"]["assertions"] == {"total": sent, "pending": 0, "failed": 0}
