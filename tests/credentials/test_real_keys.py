"""Keys stored over HTTP trade on their account, until they are removed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import octobot.commands
import pytest
from flask import Flask
from octobot_commons.configuration import decrypt

from tests.api_client import ApiClient, wait_until_ready
from tests.credentials.real_server import KEY, KEYS, SECRET, at_exchange, real_app

pytestmark = pytest.mark.long

PATH = "/exchanges/sandbox/credentials"
LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "20000"}
OWN = Decimal(10_000)  # what the account without stored keys has


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with real_app(tmp_path_factory.mktemp("home")) as app:
        yield app


@pytest.fixture
def admin(client: ApiClient, app: Flask) -> Iterator[ApiClient]:
    """An admin of a running bot with no stored keys."""
    admin = client.as_admin()
    yield admin
    if admin.get("/bot")["state"] == "stopped":
        admin.post("/bot/start", expect=202)
    admin.send("DELETE", PATH)
    eventually(lambda: admin.get("/bot")["state"] != "starting")
    wait_until_ready(app)


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def usdt_total(client: ApiClient) -> Decimal:
    (exchange,) = client.get("/portfolio/balance")
    return next(Decimal(row["total"]) for row in exchange["balances"] if row["asset"] == "USDT")


def store_keys(admin: ApiClient, app: Flask) -> dict[str, Any]:
    """Store enabled keys, and wait until the bot has restarted with them."""
    stored: dict[str, Any] = admin.post(PATH, json={**KEYS, "trading": "real"}, expect=201)
    wait_until_ready(app)
    return stored


def test_stored_keys_trade_on_their_account_from_then_on(admin: ApiClient, app: Flask) -> None:
    assert usdt_total(admin) == OWN
    stored = store_keys(admin, app)
    assert stored["restart_required"] is False
    assert usdt_total(admin) == 123_456
    assert admin.get(PATH)["in_use"] is True
    order = admin.post("/orders", json=LIMIT, expect=201)
    assert at_exchange(app)[order["id"]] == "open"
    assert admin.delete(f"/orders/{order['id']}")["status"] == "canceled"
    assert at_exchange(app)[order["id"]] == "canceled"


def test_they_survive_a_restart_of_the_bot_and_are_dropped_when_removed(
    admin: ApiClient, app: Flask
) -> None:
    store_keys(admin, app)
    admin.post("/bot/restart", expect=202)
    wait_until_ready(app)
    assert usdt_total(admin) == 123_456
    assert admin.delete(PATH) == {"exchange": "sandbox", "restart_required": False}
    wait_until_ready(app)
    assert usdt_total(admin) == OWN


@pytest.mark.parametrize("change", [{"enabled": False}, {"trading": "paper"}])
def test_keys_that_must_not_be_used_leave_nothing_to_trade_on(
    admin: ApiClient, app: Flask, change: dict[str, Any]
) -> None:
    store_keys(admin, app)
    shown = admin.patch(PATH, json=change)
    assert shown["restart_required"] is False
    eventually(lambda: admin.get("/bot")["state"] == "failed")
    reason = admin.get("/bot")["reason"]
    assert reason == "no exchange has keys that are enabled for real trading"
    admin.post("/orders", json=LIMIT, expect=503)
    assert admin.get(PATH)["in_use"] is False
    admin.patch(PATH, json={"enabled": True, "trading": "real"})
    wait_until_ready(app)
    assert usdt_total(admin) == 123_456


def test_a_paused_bot_takes_the_keys_and_stays_paused(admin: ApiClient, app: Flask) -> None:
    admin.post("/bot/pause")
    assert store_keys(admin, app)["restart_required"] is False
    assert admin.get("/bot")["state"] == "paused"
    assert usdt_total(admin) == 123_456
    assert admin.post("/orders", json=LIMIT, expect=409)["type"] == "trading_paused"
    assert admin.post("/bot/resume")["state"] == "running"


def test_a_stopped_bot_begins_with_what_is_stored_then(admin: ApiClient, app: Flask) -> None:
    admin.post("/bot/stop")
    stored = admin.post(PATH, json={**KEYS, "trading": "real"}, expect=201)
    assert stored["restart_required"] is False
    assert admin.get("/bot")["state"] == "stopped"
    admin.post("/bot/start", expect=202)
    wait_until_ready(app)
    assert usdt_total(admin) == 123_456


def test_keys_of_an_exchange_that_the_bot_does_not_have_leave_it_alone(
    admin: ApiClient, app: Flask
) -> None:
    started = admin.get("/bot")["started_at"]
    other = "/exchanges/kraken/credentials"
    assert admin.post(other, json={**KEYS, "trading": "real"}, expect=201)["in_use"] is False
    assert admin.delete(other)["restart_required"] is False
    assert admin.get("/bot")["started_at"] == started


def test_octobots_own_saving_of_its_configuration_writes_no_keys(
    admin: ApiClient, app: Flask
) -> None:
    store_keys(admin, app)
    before = admin.get("/config")["config"]
    bot = octobot.commands.GLOBAL_BOT_INSTANCE
    configuration = bot.get_edited_config("config", dict_only=False)
    configuration.save()
    held = configuration.config["exchanges"]["sandbox"]
    assert decrypt(held["api-key"]) == KEY
    folder: Path = app.extensions["backend"].settings.home / "octobot"
    text = "".join(path.read_text() for path in folder.rglob("*.json"))
    assert {decrypt(token) for token in re.findall('gAAAA[^"]+', text)} == {""}
    assert KEY not in text
    assert admin.get("/config")["config"]["exchanges"] == before["exchanges"]
    wait_until_ready(app)
    assert usdt_total(admin) == 123_456


def test_keys_and_their_holders_do_not_show_in_texts() -> None:
    from backend.ports.exchange_keys import ExchangeKeys
    from backend.schemas.exchange_keys import NewCredentials

    for holder in (ExchangeKeys(KEY, SECRET, "canary-password"), NewCredentials(**KEYS)):
        assert "canary" not in f"{holder!r} {holder}"
