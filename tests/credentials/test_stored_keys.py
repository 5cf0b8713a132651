"""Exchange credentials over HTTP in paper trading: stored, masked, changed, tested."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from flask import Flask

from backend.app import close_app, create_app
from backend.cli.main import main
from backend.store import audit, credentials
from tests.api_client import PASSWORD, ApiClient

KEY, SECRET = "planted-key-0123456789-WXYZ", "planted-secret-0123456789"
BODY = {"api_key": KEY, "api_secret": SECRET}
PATH = "/exchanges/kraken/credentials"


@pytest.fixture
def admin(client: ApiClient) -> Iterator[ApiClient]:
    """An admin; nothing is stored before and after."""
    admin = client.as_admin()
    yield admin
    for row in admin.get("/exchanges/credentials"):
        admin.delete(f"/exchanges/{row['exchange']}/credentials")


def sealed(app: Flask) -> str:
    row = app.extensions["backend"].database.read(credentials.get, "kraken")
    return str(row.sealed)


def test_keys_go_in_and_only_a_mask_comes_out(admin: ApiClient, app: Flask) -> None:
    response = admin.send("POST", PATH, json={**BODY, "api_password": "planted-password"})
    shown = response.get_json()["data"]
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/v1{PATH}"
    assert response.headers["Cache-Control"] == "no-store"
    times = {name: shown.pop(name) for name in ("created_at", "updated_at")}
    assert times["created_at"] == times["updated_at"]
    assert shown == {
        "exchange": "kraken",
        "api_key": "********WXYZ",
        "has_password": True,
        "enabled": True,
        "trading": "paper",
        "sandboxed": False,
        "last_test": None,
        "in_use": False,
        "restart_required": False,
    }
    assert admin.get(PATH) == shown | times
    assert admin.get("/exchanges/credentials") == [shown | times]
    assert b"planted" not in response.data
    assert sealed(app).startswith("enc:v1:")
    assert "planted" not in sealed(app)


def test_a_short_key_shows_nothing_of_itself(admin: ApiClient) -> None:
    assert admin.post(PATH, json={**BODY, "api_key": "shortkey"}, expect=201)["api_key"] == "*" * 8


def test_keys_are_stored_once_and_then_changed_or_removed(admin: ApiClient) -> None:
    created = admin.post(PATH, json=BODY, expect=201)
    assert admin.post(PATH, json=BODY, expect=409)["type"] == "conflict"
    replaced = {"api_key": "another-planted-key-ABCD", "api_secret": "another-planted-secret"}
    changed = admin.patch(PATH, json={**replaced, "enabled": False, "trading": "real"})
    assert (changed["api_key"], changed["enabled"], changed["trading"]) == (
        "********ABCD",
        False,
        "real",
    )
    assert changed["created_at"] == created["created_at"]
    assert changed["updated_at"] > created["updated_at"]
    assert admin.patch(PATH, json={"enabled": True})["api_key"] == "********ABCD"
    assert admin.delete(PATH) == {"exchange": "kraken", "restart_required": False}
    for method in ("GET", "DELETE"):
        response = admin.send(method, PATH)
        assert (response.status_code, response.get_json()["type"]) == (404, "credentials_not_found")


def test_a_password_is_set_kept_and_taken_away_apart_from_the_key(
    admin: ApiClient, app: Flask
) -> None:
    admin.post(PATH, json=BODY, expect=201)
    assert admin.patch(PATH, json={"api_password": "planted-password"})["has_password"] is True
    assert admin.patch(PATH, json={"sandboxed": False})["has_password"] is True
    cipher = app.extensions["backend"].credentials.cipher
    kept = cipher.decrypt("kraken", sealed(app))
    assert kept == {**BODY, "api_password": "planted-password"}
    other = {"api_key": "another-planted-key-ABCD", "api_secret": "another-planted-secret"}
    assert admin.patch(PATH, json=other)["has_password"] is True
    kept = cipher.decrypt("kraken", sealed(app))
    assert kept == {**other, "api_password": "planted-password"}
    assert admin.patch(PATH, json={**BODY, "api_password": None})["has_password"] is False
    assert cipher.decrypt("kraken", sealed(app)) == BODY
    admin.patch(PATH, json={"api_password": "planted-password"})
    assert admin.patch(PATH, json={"api_password": None})["has_password"] is False
    assert cipher.decrypt("kraken", sealed(app)) == BODY


def test_of_many_who_store_keys_at_once_one_does(admin: ApiClient) -> None:
    def store(number: int) -> tuple[int, str]:
        key = f"planted-key-{number:010}"
        response = admin.send("POST", PATH, json={**BODY, "api_key": key})
        return response.status_code, response.get_json().get("data", {}).get("api_key", "")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(store, range(8)))
    assert sorted(status for status, _ in answers) == [201] + [409] * 7
    assert admin.get(PATH)["api_key"] == max(answers, key=lambda answer: answer[1])[1]


@pytest.mark.parametrize(
    ("method", "body", "field"),
    [
        ("POST", {"api_key": KEY}, "api_secret"),
        ("POST", {**BODY, "api_key": ""}, "api_key"),
        ("POST", {**BODY, "api_key": " \n"}, "api_key"),
        ("POST", {**BODY, "api_key": "planted\x00key"}, "api_key"),
        ("POST", {**BODY, "api_secret": "plänted"}, "api_secret"),
        ("POST", {**BODY, "api_secret": "planted" * 1000}, "api_secret"),
        ("POST", {**BODY, "api_key": 17}, "api_key"),
        ("POST", {**BODY, "trading": "play"}, "trading"),
        ("POST", {**BODY, "withdraw": True}, "withdraw"),
        ("PATCH", {}, "body"),
        ("PATCH", {"api_key": KEY}, "api_secret"),
        ("PATCH", {"api_secret": SECRET}, "api_secret"),
        ("PATCH", {"enabled": "yes"}, "enabled"),
    ],
)
def test_what_does_not_fit_is_named_not_repeated_and_changes_nothing(
    admin: ApiClient, method: str, body: dict[str, Any], field: str
) -> None:
    stored = admin.post(PATH, json=BODY, expect=201) if method == "PATCH" else None
    response = admin.send(method, PATH, json=body)
    assert response.status_code == 400
    assert [found["field"] for found in response.get_json()["fields"]] == [field]
    assert b"planted" not in response.data
    assert admin.get("/exchanges/credentials") == ([stored] if stored else [])


@pytest.mark.parametrize("exchange", ["nowhere", "Kraken", "a%0Ab", "..", "x" * 400])
def test_an_exchange_that_does_not_exist_is_a_404(admin: ApiClient, exchange: str) -> None:
    for method, body in (("POST", BODY), ("GET", None), ("PATCH", {"enabled": True})):
        response = admin.send(method, f"/exchanges/{exchange}/credentials", json=body)
        assert response.status_code == 404


def test_a_test_network_is_refused_where_there_is_none(admin: ApiClient) -> None:
    problem = admin.post(PATH, json={**BODY, "sandboxed": True}, expect=400)
    assert [found["field"] for found in problem["fields"]] == ["sandboxed"]
    path = "/exchanges/binance/credentials"
    assert admin.post(path, json={**BODY, "sandboxed": True}, expect=201)["sandboxed"] is True


def test_keys_are_tested_and_the_result_is_kept_until_they_change(admin: ApiClient) -> None:
    path = "/exchanges/sandbox/credentials"
    admin.post(path, json={"api_key": "sandbox", "api_secret": "sandbox"}, expect=201)
    good = admin.post(f"{path}/test")
    assert good["outcome"] == "ok"
    assert admin.get(path)["last_test"] == good
    assert admin.patch(path, json=BODY)["last_test"] is None
    assert admin.post(f"{path}/test")["outcome"] == "key_refused"
    assert admin.post(f"{PATH}/test", expect=404)["type"] == "credentials_not_found"


def test_keys_can_be_tested_while_the_bot_is_stopped(admin: ApiClient) -> None:
    path = "/exchanges/sandbox/credentials"
    admin.post(path, json={"api_key": "sandbox", "api_secret": "sandbox"}, expect=201)
    admin.post("/bot/stop")
    assert admin.post(f"{path}/test")["outcome"] == "ok"
    admin.post("/bot/start", expect=202)


def test_only_admins_see_or_change_them(client: ApiClient, admin: ApiClient) -> None:
    admin.post(PATH, json=BODY, expect=201)
    for user in (client.as_viewer(), client.as_trader()):
        user.get(PATH, expect=403)
        user.get("/exchanges/credentials", expect=403)
        user.post(PATH, json=BODY, expect=403)
        user.patch(PATH, json={"enabled": False}, expect=403)
        user.delete(PATH, expect=403)
        user.post(f"{PATH}/test", expect=403)
    assert admin.get(PATH)["enabled"] is True


def test_changing_them_takes_a_recent_proof_of_who_asks(admin: ApiClient) -> None:
    admin.post(PATH, json=BODY, expect=201)
    tokens = admin.post("/auth/login", json={"username": "admin", "password": PASSWORD})
    renewed = admin.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    later = ApiClient(admin.app, renewed["access_token"])
    for method, body in (("POST", BODY), ("PATCH", {"enabled": False}), ("DELETE", None)):
        response = later.send(method, PATH, json=body)
        assert (response.status_code, response.get_json()["type"]) == (403, "step_up_required")
    assert later.get(PATH)["enabled"] is True
    proof = later.post("/auth/step-up", json={"password": PASSWORD})
    proven = ApiClient(admin.app, proof["access_token"])
    assert proven.patch(PATH, json={"enabled": False})["enabled"] is False


def test_the_audit_has_the_change_and_not_the_keys(admin: ApiClient, app: Flask) -> None:
    admin.post(PATH, json=BODY, expect=201)
    assert app.extensions["backend"].audit.flush()
    database = app.extensions["backend"].database
    wanted = audit.Filters(action="connections.add_credentials")
    (entry, *_) = database.read(audit.list_entries, 1, None, wanted)
    assert entry.path == f"/api/v1{PATH}"
    assert entry.change == '{"api_key":"********","api_secret":"********"}'


def test_production_stores_no_keys_without_one_to_encrypt_them(app: Flask) -> None:
    parts = app.extensions["backend"]
    settings = parts.settings.model_copy(update={"env": "production", "encryption_key": None})
    other = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
    try:
        admin = ApiClient(other).as_admin()
        problem = admin.post(PATH, json=BODY, expect=409)
        assert problem["type"] == "encryption_key_missing"
        assert "BACKEND_ENCRYPTION_KEY" in problem["details"]
        assert admin.get("/exchanges/credentials") == []
    finally:
        close_app(other)


def test_the_command_encrypts_all_anew(
    admin: ApiClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.post(PATH, json=BODY, expect=201)
    before = sealed(app)
    home = app.extensions["backend"].settings.home
    old, new = (home / "encryption.key").read_text(), Fernet.generate_key().decode()
    monkeypatch.setenv("BACKEND_HOME", str(home))
    monkeypatch.setenv("BACKEND_ENCRYPTION_KEY", new)
    refused = CliRunner().invoke(main, ["credentials", "rotate"])
    assert refused.exit_code == 2
    assert "BACKEND_ENCRYPTION_KEY lacks the key" in refused.output
    assert sealed(app) == before
    monkeypatch.setenv("BACKEND_ENCRYPTION_KEY", f"{new},{old}")
    assert CliRunner().invoke(main, ["credentials", "rotate"]).output == "encrypted anew: 1\n"
    assert Fernet(new).decrypt(sealed(app).removeprefix("enc:v1:"))
    admin.patch(PATH, json={"api_password": "planted-password"}, expect=409)
    assert admin.patch(PATH, json={**BODY, "enabled": True})["api_key"] == "********WXYZ"
