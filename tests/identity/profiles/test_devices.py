"""Device names, and sessions that are remembered for longer."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
import time_machine
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.store.refresh_tokens import Device
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity, bearer

DAY = 86_400
NEW_PASSWORD = "a horse of another colour"


def log_in(client: FlaskClient, username: str = "trader", **more: object) -> dict:
    body = {"username": username, "password": PASSWORD} | more
    answer = client.post("/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def sessions_of(client: FlaskClient, tokens: dict) -> list[dict]:
    answer = client.get("/auth/sessions", headers=bearer(tokens["access_token"]))
    return answer.json["data"]


def life_s(client: FlaskClient, tokens: dict) -> int:
    """Return how long the session of these tokens lasts unless it is refreshed."""
    (current,) = [one for one in sessions_of(client, tokens) if one["current"]]
    last_refresh = datetime.fromisoformat(current["last_used_at"])
    return round((datetime.fromisoformat(current["expires_at"]) - last_refresh).total_seconds())


def refresh(client: FlaskClient, tokens: dict):
    return client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


def test_sessions_bear_the_name_given_at_login(client: FlaskClient) -> None:
    log_in(client, device_name="Ada's phone (work)")
    tokens = log_in(client)
    found = [(one["device"], one["remembered"]) for one in sessions_of(client, tokens)]
    assert found[1] == ("Ada's phone (work)", False)
    assert found[0][0].startswith("Werkzeug/")


def test_the_name_stays_when_the_session_is_refreshed(client: FlaskClient) -> None:
    renewed = refresh(client, log_in(client, device_name="Büro 2")).json["data"]
    assert [one["device"] for one in sessions_of(client, renewed)] == ["Büro 2"]


@pytest.mark.parametrize(
    "name", ["", " ", "=cmd", "x" * 61, "two\nlines", "a\x00", "<i>", "\u202eabc", 7]
)
def test_odd_names_are_refused(client: FlaskClient, name: object) -> None:
    body = {"username": "trader", "password": PASSWORD, "device_name": name}
    answer = client.post("/auth/login", json=body)
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert [item["field"] for item in answer.json["fields"]] == ["device_name"]


@pytest.mark.parametrize(
    ("username", "remember", "days"),
    [("trader", False, 1), ("trader", True, 30), ("admin", False, 1), ("admin", True, 7)],
)
def test_a_remembered_session_lasts_longer_from_refresh_to_refresh(
    client: FlaskClient, username: str, remember: bool, days: int
) -> None:
    start = time.time()
    with time_machine.travel(start, tick=False) as clock:
        tokens = log_in(client, username, remember=remember)
        assert life_s(client, tokens) == days * DAY
        for _ in range(3):
            clock.shift(days * DAY - 10)
            tokens = refresh(client, tokens).json["data"]
            assert life_s(client, tokens) == days * DAY
        clock.shift(days * DAY + 1)
        answer = refresh(client, tokens)
        assert (answer.status_code, answer.json["type"]) == (401, "token_expired")


def test_one_device_does_not_lengthen_another(client: FlaskClient) -> None:
    tokens = [log_in(client, remember=remember) for remember in (True, False)]
    remembered, usual = (life_s(client, one) for one in tokens)
    assert 30 * DAY - 60 < remembered <= 30 * DAY  # counted from the login, a moment ago
    assert DAY - 60 < usual <= DAY


def test_who_becomes_an_admin_is_remembered_for_less_at_once(
    client: FlaskClient, identity: Identity
) -> None:
    with time_machine.travel(time.time(), tick=False) as clock:
        tokens = log_in(client, remember=True)
        user_id = tokens["user"]["id"]
        identity.users.change(user_id, UserChange(role="admin"))
        clock.shift(7 * DAY + 1)
        assert refresh(client, tokens).json["type"] == "token_expired"


def test_a_new_password_keeps_the_device_and_its_life(client: FlaskClient) -> None:
    tokens = log_in(client, device_name="Laptop", remember=True)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = client.put("/auth/password", json=body, headers=bearer(tokens["access_token"]))
    renewed = changed.json["data"]
    (session,) = sessions_of(client, renewed)
    assert (session["device"], session["remembered"]) == ("Laptop", True)
    assert life_s(client, renewed) == 30 * DAY


def test_a_remembered_session_ends_by_logout_as_others_do(client: FlaskClient) -> None:
    tokens = log_in(client, remember=True)
    body = {"refresh_token": tokens["refresh_token"]}
    client.post("/auth/logout", json=body, headers=bearer(tokens["access_token"]))
    assert refresh(client, tokens).status_code == 401


def test_a_longer_ordinary_life_holds_for_remembered_sessions_too(
    start_identity: StartIdentity, identity: Identity
) -> None:
    other = start_identity(refresh_expiry=60 * DAY)
    with time_machine.travel(time.time(), tick=False) as clock:
        device = Device(None, remembered=True)
        tokens = other.login("admin", PASSWORD, *NOWHERE, None, device)
        clock.shift(59 * DAY)
        assert other.refresh(tokens.refresh_token, *NOWHERE).user.username == "admin"
