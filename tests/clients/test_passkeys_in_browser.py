"""Passkeys end to end: a real browser with a virtual authenticator, and the real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.live import LiveServer
from tests.backend_process import free_port
from tests.headless_browser import Page, open_browser
from tests.prepared_server import prepared_server

pytestmark = pytest.mark.long

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# what a page does: it asks the server, and gives the browser what the server answers
PAGE_SCRIPT = """
window.ask = async (method, path, body, token) => {
  const headers = {"Content-Type": "application/json"};
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(`/api/v1${path}`, {method, headers, body: JSON.stringify(body || {})});
  return answer.json();
};
window.make = async (options) => (await navigator.credentials.create({
  publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})).toJSON();
window.sign = async (options) => (await navigator.credentials.get({
  publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON();
"""


class Tab:
    """A tab on the server's own origin, whose page may use passkeys."""

    def __init__(self, page: Page, server: LiveServer) -> None:
        self._page = page
        self._count = 0
        page.open(f"http://localhost:{urlsplit(server.url).port}/docs")
        page.wait_for("location.hostname == 'localhost' && document.readyState == 'complete'")
        page.ask("WebAuthn.enable")
        added = page.ask("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)
        self.authenticator: str = added["authenticatorId"]
        page.ask("Runtime.evaluate", expression=PAGE_SCRIPT)

    def call(self, function: str, *arguments: object) -> Any:
        """Call an asynchronous function of the page and return what it gives."""
        self._count += 1
        name = f"result{self._count}"
        given = ", ".join(map(json.dumps, arguments))
        self._page.run(
            f"void {function}({given}).then((value) => {{ window.{name} = {{value}} }},"
            f" (error) => {{ window.{name} = {{error: String(error)}} }})"
        )
        result = self._page.wait_for(f"window.{name}")
        assert "error" not in result, result["error"]
        return result["value"]

    def credentials(self) -> list[dict[str, Any]]:
        found = self._page.ask("WebAuthn.getCredentials", authenticatorId=self.authenticator)
        return found["credentials"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that knows its own origin: its port is named, not taken from the free ones."""
    with prepared_server(tmp_path_factory.mktemp("home"), port=free_port()) as server:
        yield server


@pytest.fixture
def tab(program: Callable[..., str], tmp_path: Path, server: LiveServer) -> Iterator[Tab]:
    found = program("chromium", "chromium-browser", "google-chrome")
    with open_browser(found, tmp_path) as page:
        yield Tab(page, server)


def test_a_passkey_of_a_browser_logs_in_and_steps_up(tab: Tab, server: LiveServer) -> None:
    login = {"username": server.username, "password": server.password}
    token = tab.call("ask", "POST", "/auth/login", login)["data"]["access_token"]
    options = tab.call("ask", "POST", "/auth/passkeys/options", {}, token)["data"]
    made = tab.call("make", options)
    new = {"name": "browser", "credential": made}
    answer = tab.call("ask", "POST", "/auth/passkeys", new, token)
    assert "data" in answer, answer.get("fields", answer)
    registered = answer["data"]
    assert len(registered["recovery_codes"]) == 10
    assert [one["rpId"] for one in tab.credentials()] == ["localhost"]

    problem = tab.call("ask", "POST", "/auth/login", login)
    assert problem["type"] == "second_factor_required"
    signed = tab.call("sign", problem["second_factor"]["passkey"])
    opened = tab.call("ask", "POST", "/auth/login", {**login, "passkey": signed})
    assert opened["data"]["user"]["second_factor"] is True
    token = opened["data"]["access_token"]

    challenge = tab.call("ask", "POST", "/auth/step-up/options", {}, token)["data"]
    proof = {"passkey": tab.call("sign", challenge)}
    stepped_up = tab.call("ask", "POST", "/auth/step-up", proof, token)["data"]["access_token"]
    again = tab.call("ask", "POST", "/auth/step-up", proof, token)
    assert (again["type"], again["fields"][0]["field"]) == ("validation_error", "passkey")

    path = f"/auth/passkeys/{registered['passkey']['id']}"
    removed = tab.call("ask", "DELETE", path, {}, stepped_up)["data"]
    assert removed == {"id": registered["passkey"]["id"], "second_factor": False}
