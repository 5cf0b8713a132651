"""A certified OpenID provider in a process of its own, a fake one, and an app for each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from backend.settings.model import Settings
from tests.identity.oidc.browser import RETURN_TO, Browser
from tests.identity.oidc.fake_provider import FakeProvider

FOLDER = Path(__file__).parents[2] / "oidc"
CALLBACK = "http://localhost:8000/api/v1/auth/oidc/callback"
SECRET = "a secret of tests only"


@pytest.fixture(scope="session")
def certified_issuer() -> Iterator[str]:
    """Start the provider once, and return its issuer."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / "oidc-provider").exists():
        pytest.skip("node or tests/oidc/node_modules is not there")
    process = subprocess.Popen(
        [node, "provider.mjs", CALLBACK],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def fake_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def issuer(fake_provider: FakeProvider) -> str:
    """The issuer of a file's tests; a file may take another."""
    return fake_provider.issuer


@pytest.fixture
def settings(settings: Settings, issuer: str) -> Settings:
    given = {
        "oidc_issuer": issuer,
        "oidc_client_id": "octobot",
        "oidc_client_secret": SECRET,
        "oidc_return_urls": (RETURN_TO,),
        "oidc_registration": True,
    }
    return Settings.model_validate(settings.model_dump() | given)


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    return Browser(client)
