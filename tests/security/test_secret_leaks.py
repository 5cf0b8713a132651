"""No secret that goes in comes out: not in answers, logs, database, metrics or OctoBot's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyotp
from cryptography.fernet import Fernet
from pydantic import SecretStr

from tests.api_client import ApiClient, wait_until_ready
from tests.credentials.real_server import KEY, SECRET, real_app
from tests.security.planted_secrets import Canaries, answers_of_all_gets, database_dump, files_below

EXCHANGE = "/exchanges/sandbox/credentials"


def test_no_planted_secret_is_found_anywhere(tmp_path: Path) -> None:
    canaries = Canaries()
    encryption = canaries.plant("encryption key", Fernet.generate_key().decode())
    signing = canaries.plant("signing key", "canary-signing-key-0123456789-abcdefgh")
    secrets = {"encryption_key": SecretStr(encryption), "secret_key": SecretStr(signing)}
    with real_app(tmp_path, **secrets) as app:
        plant_exchange_keys(canaries, ApiClient(app).as_admin())
        wait_until_ready(app)
        plant_user(canaries, ApiClient(app))
        told = answers_of_all_gets(app, ApiClient(app).as_admin())
        assert app.extensions["backend"].audit.flush()
    assert len(told) > 30
    assert len(canaries.names()) >= 14
    assert canaries.found_in(told) == set()
    assert canaries.found_in({"database": database_dump(tmp_path)}) == set()
    # the sandbox's books are the exchange's: a real one is elsewhere
    files = files_below(tmp_path, "sandbox.json")
    assert any(name.startswith("logs/") for name in files)
    assert any(name.startswith("octobot/user/") for name in files)
    assert canaries.found_in(files) == set()


def plant_exchange_keys(canaries: Canaries, admin: ApiClient) -> None:
    """Store, test, use and change keys, well and badly."""
    canaries.plant("exchange key", KEY)
    canaries.plant("exchange secret", SECRET)
    password = canaries.plant("exchange password", "canary-exchange-password-77d0")
    wrong = canaries.plant("wrong exchange key", "canary-wrong-exchange-key-1b7e")
    body: dict[str, Any] = {"api_key": wrong, "api_secret": SECRET, "api_password": password}
    outcomes = [
        admin.send("POST", EXCHANGE, json={**body, "surprise": SECRET}),
        admin.send("POST", EXCHANGE, json=body),
        admin.send("POST", f"{EXCHANGE}/test"),
        admin.send("PATCH", EXCHANGE, json={"api_key": KEY, "api_secret": SECRET}),
        admin.send("POST", f"{EXCHANGE}/test"),
        admin.send("PATCH", EXCHANGE, json={"trading": "real"}),
        admin.send("PATCH", "/config", json=_config(KEY)),
        admin.send("GET", f"/exchanges/{KEY}/credentials"),
        admin.send("GET", f"/orders?api_key={KEY}"),
        admin.send("POST", "/auth/logout", data=f'{{"api_secret": "{SECRET}"', headers=_JSON),
    ]
    statuses = [outcome.status_code for outcome in outcomes]
    assert statuses == [400, 201, 200, 200, 200, 200, 400, 404, 400, 400]
    assert canaries.found_in({"answers": "".join(_texts(outcomes))}) == set()


def plant_user(canaries: Canaries, client: ApiClient) -> None:
    """Log in and out, badly too, with every kind of secret that a user has."""
    password = canaries.plant("password", "canary-password-4e2c")
    admin = client.as_admin()
    user = {"username": "songbird", "password": password, "role": "admin"}
    admin.post("/users", json={**user, "must_change_password": False}, expect=201)
    tokens = client.post("/auth/login", json={"username": "songbird", "password": password})
    access = canaries.plant("access token", tokens["access_token"])
    refresh = canaries.plant("refresh token", tokens["refresh_token"])
    canary = ApiClient(client.app, access)
    key = canary.post("/auth/api-keys", json={"name": "k", "scopes": ["bot:read"]}, expect=201)
    api_key = canaries.plant("API key", key["key"])
    enrolled = canary.post("/auth/second-factor")
    seed = canaries.plant("second factor's seed", enrolled["secret"])
    app = pyotp.TOTP(seed)
    confirmed = canary.post("/auth/second-factor/confirm", json={"code": app.now()})
    canaries.plant("recovery code", confirmed["recovery_codes"][0])
    ticket = canaries.plant("stream ticket", canary.post("/stream/ticket", expect=201)["ticket"])
    outcomes = [
        client.send("POST", "/auth/login", json={"username": password, "password": "wrong"}),
        client.send("POST", "/auth/login", json={"username": "songbird", "password": password}),
        client.send("GET", "/bot", headers={"X-API-Key": api_key}),
        client.send("GET", "/bot", headers={"X-API-Key": f"{api_key}x", "Cookie": access}),
        client.send("GET", f"/orders/{access}", headers={"Authorization": f"Bearer {access}"}),
        client.send(
            "GET", f"/{api_key}?ticket={ticket}", headers={"Referer": f"https://x/?token={access}"}
        ),
        client.send("POST", "/auth/refresh", json={"refresh_token": refresh + "x"}),
        client.send("POST", "/auth/login", json={"username": "songbird", "password": [password]}),
        canary.send("POST", "/auth/step-up", json={"password": password, "code": seed}),
    ]
    assert [outcome.status_code for outcome in outcomes][:4] == [401, 401, 200, 401]
    assert canaries.found_in({"answers": "".join(_texts(outcomes))}) == set()
    new = canaries.plant("new password", "canary-new-password-90aa")
    change = {"current_password": password, "new_password": new}
    renewed = canary.put("/auth/password", json=change)
    canaries.plant("new access token", renewed["access_token"])


_JSON = {"Content-Type": "application/json"}


def _config(key: str) -> dict[str, Any]:
    return {"config": {"exchanges": {"sandbox": {"api-key": key}}}}


def _texts(outcomes: list[Any]) -> list[str]:
    return [f"{outcome.headers}{outcome.get_data(as_text=True)}" for outcome in outcomes]


def test_the_search_finds_a_secret_in_every_form_that_it_looks_for() -> None:
    canaries = Canaries()
    secret = canaries.plant("secret", "canary/secret+0123456789")
    import base64
    from urllib.parse import quote

    for text in (
        secret,
        quote(secret, safe=""),
        base64.b64encode(b"ab:" + secret.encode()).decode(),
    ):
        assert canaries.found_in({"place": f"before {text} after"}) == {("secret", "place")}
    assert canaries.found_in({"place": "something else"}) == set()
