"""Login sessions: listing, and revoking one or all."""

from __future__ import annotations

import time

import pytest
import time_machine
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.identity.sessions import device_name
from backend.schemas.auth import Tokens
from backend.schemas.common import PageQuery
from tests.identity_app import PASSWORD, StartIdentity, bearer

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
)


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("python-requests/2.32.3", "python-requests/2.32.3"),
        ("MyApp/1.0 (a phone)", "MyApp/1.0"),
        ("x" * 500, "x" * 60),
        ("", "unknown"),
    ],
)
def test_a_device_is_named_as_its_owner_knows_it(user_agent: str, shown: str) -> None:
    assert device_name(user_agent) == shown


@pytest.fixture
def phone(identity: Identity) -> Tokens:
    return identity.login("trader", PASSWORD, "203.0.113.9", SAFARI)


@pytest.fixture
def laptop(identity: Identity, phone: Tokens) -> Tokens:
    return identity.login("trader", PASSWORD, "198.51.100.7", FIREFOX)


def listed(client: FlaskClient, tokens: Tokens, query: str = "", **options: str) -> list[dict]:
    answer = client.get(
        f"/auth/sessions{query}",
        headers=bearer(tokens.access_token),
        environ_base={"REMOTE_ADDR": options.get("address", "127.0.0.1")},
    )
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def test_sessions_are_listed_newest_first_with_device_and_address(
    client: FlaskClient, phone: Tokens, laptop: Tokens, identity: Identity
) -> None:
    identity.login("viewer", PASSWORD, "192.0.2.1", EDGE)
    found = listed(client, laptop, address="198.51.100.8")
    assert [(one["device"], one["address"], one["current"]) for one in found] == [
        ("Firefox on Linux", "198.51.100.8", True),
        ("Safari on iPhone", "203.0.113.9", False),
    ]
    assert set(found[0]) == {
        "id",
        "device",
        "remembered",
        "address",
        "current",
        "created_at",
        "last_used_at",
        "expires_at",
    }


def test_the_last_use_is_that_of_the_access_token(
    client: FlaskClient, phone: Tokens, laptop: Tokens
) -> None:
    before = {one["device"]: one["last_used_at"] for one in listed(client, laptop)}
    with time_machine.travel(time.time() + 600):
        client.get(
            "/auth/me",
            headers=bearer(phone.access_token),
            environ_base={"REMOTE_ADDR": "192.0.2.77"},
        )
    after = {one["device"]: one for one in listed(client, laptop)}
    assert after["Safari on iPhone"]["last_used_at"] > before["Safari on iPhone"]
    assert after["Safari on iPhone"]["address"] == "192.0.2.77"


def test_the_last_use_survives_a_restart(
    client: FlaskClient,
    identity: Identity,
    start_identity: StartIdentity,
    phone: Tokens,
) -> None:
    client.get(
        "/auth/me", headers=bearer(phone.access_token), environ_base={"REMOTE_ADDR": "192.0.2.77"}
    )
    identity.close()
    restarted = start_identity()
    page = restarted.sessions.page(
        phone.user.id, restarted.verify_access_token(phone.access_token), PageQuery()
    )
    assert [session.address for session in page.data] == ["192.0.2.77"]


def test_sessions_are_listed_in_pages(
    client: FlaskClient, identity: Identity, laptop: Tokens
) -> None:
    tokens = [identity.login("trader", PASSWORD, "127.0.0.1", f"app/{n}") for n in range(3)]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = client.get(
            f"/auth/sessions?limit=2{cursor}", headers=bearer(tokens[0].access_token)
        ).json
        seen += [one["device"] for one in answer["data"]]
        if answer["pagination"]["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['pagination']['next_cursor']}"
    assert seen == ["app/2", "app/1", "app/0", "Firefox on Linux", "Safari on iPhone"]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJzZXNzaW9ucyIsMV0", "WyJzZXNzaW9ucyIsIngiXQ"])
def test_a_cursor_of_another_list_is_refused(
    client: FlaskClient, phone: Tokens, cursor: str
) -> None:
    answer = client.get(f"/auth/sessions?cursor={cursor}", headers=bearer(phone.access_token))
    assert (answer.status_code, answer.json["type"]) == (400, "invalid_cursor")


def test_one_session_is_ended_from_another(
    client: FlaskClient, phone: Tokens, laptop: Tokens
) -> None:
    (stolen,) = [one["id"] for one in listed(client, laptop) if not one["current"]]
    ended = client.delete(f"/auth/sessions/{stolen}", headers=bearer(laptop.access_token))
    assert ended.json["data"] == {"ended": "session"}
    assert client.get("/auth/me", headers=bearer(phone.access_token)).status_code == 401
    refreshed = client.post("/auth/refresh", json={"refresh_token": phone.refresh_token})
    assert refreshed.status_code == 401
    assert [one["device"] for one in listed(client, laptop)] == ["Firefox on Linux"]
    again = client.delete(f"/auth/sessions/{stolen}", headers=bearer(laptop.access_token))
    assert again.status_code == 404


def test_nobody_ends_anothers_session(
    client: FlaskClient, identity: Identity, phone: Tokens
) -> None:
    (session,) = listed(client, phone)
    admin = identity.login("admin", PASSWORD, "127.0.0.1", "x")
    answer = client.delete(f"/auth/sessions/{session['id']}", headers=bearer(admin.access_token))
    assert (answer.status_code, answer.json["type"]) == (404, "not_found")
    assert client.get("/auth/me", headers=bearer(phone.access_token)).status_code == 200


def test_logging_out_everywhere_ends_all_and_stays_so(
    client: FlaskClient,
    identity: Identity,
    start_identity: StartIdentity,
    phone: Tokens,
    laptop: Tokens,
) -> None:
    bystander = identity.login("viewer", PASSWORD, "127.0.0.1", "x")
    ended = client.post(
        "/auth/logout", json={"everywhere": True}, headers=bearer(laptop.access_token)
    )
    assert ended.json["data"] == {"ended": "everything"}
    restarted = start_identity()
    for tokens in (phone, laptop):
        headers = bearer(tokens.access_token)
        assert client.get("/auth/me", headers=headers).status_code == 401
        refreshed = client.post("/auth/refresh", json={"refresh_token": tokens.refresh_token})
        assert refreshed.status_code == 401
    assert restarted.verify_access_token(bystander.access_token).username == "viewer"


def test_a_session_that_ran_out_is_not_listed(
    client: FlaskClient, identity: Identity, phone: Tokens
) -> None:
    with time_machine.travel(time.time() + 86_400 + 10):
        fresh = identity.login("trader", PASSWORD, "127.0.0.1", "app/1")
        assert [one["device"] for one in listed(client, fresh)] == ["app/1"]


def admin_of(identity: Identity) -> dict[str, str]:
    return bearer(identity.login("admin", PASSWORD, "192.0.2.5", EDGE).access_token)


def test_an_admin_sees_where_another_is_logged_in(
    client: FlaskClient, identity: Identity, phone: Tokens, laptop: Tokens
) -> None:
    theirs = f"/users/{phone.user.id}/sessions"
    answer = client.get(f"{theirs}?limit=1", headers=admin_of(identity)).json
    cursor = answer["pagination"]["next_cursor"]
    rest = client.get(f"{theirs}?cursor={cursor}", headers=admin_of(identity)).json
    assert [
        (one["device"], one["address"], one["current"]) for one in answer["data"] + rest["data"]
    ] == [("Firefox on Linux", "198.51.100.7", False), ("Safari on iPhone", "203.0.113.9", False)]


def test_an_admin_finds_their_own_session_in_the_list_of_all(
    client: FlaskClient, identity: Identity
) -> None:
    admin = identity.login("admin", PASSWORD, "192.0.2.5", EDGE)
    answer = client.get(f"/users/{admin.user.id}/sessions", headers=bearer(admin.access_token))
    assert [one["current"] for one in answer.json["data"]] == [True]


def test_an_admin_ends_one_session_of_another(
    client: FlaskClient, identity: Identity, phone: Tokens, laptop: Tokens
) -> None:
    headers, theirs = admin_of(identity), f"/users/{phone.user.id}/sessions"
    newest, oldest = client.get(theirs, headers=headers).json["data"]
    ended = client.delete(f"{theirs}/{oldest['id']}", headers=headers)
    assert (ended.status_code, ended.json["data"]) == (200, {"ended": "session"})
    assert client.get("/auth/me", headers=bearer(phone.access_token)).status_code == 401
    assert client.get("/auth/me", headers=bearer(laptop.access_token)).status_code == 200
    assert [one["id"] for one in client.get(theirs, headers=headers).json["data"]] == [newest["id"]]
    assert client.delete(f"{theirs}/{oldest['id']}", headers=headers).status_code == 404


def test_an_admin_ends_all_sessions_of_another(
    client: FlaskClient, identity: Identity, phone: Tokens, laptop: Tokens
) -> None:
    bystander = identity.login("viewer", PASSWORD, "127.0.0.1", "x")
    headers, theirs = admin_of(identity), f"/users/{phone.user.id}/sessions"
    ended = client.delete(theirs, headers=headers)
    assert (ended.status_code, ended.json["data"]) == (200, {"ended": "everything"})
    for tokens in (phone, laptop):
        assert client.get("/auth/me", headers=bearer(tokens.access_token)).status_code == 401
        again = client.post("/auth/refresh", json={"refresh_token": tokens.refresh_token})
        assert again.status_code == 401
    assert client.get(theirs, headers=headers).json["data"] == []
    assert client.get("/auth/me", headers=bearer(bystander.access_token)).status_code == 200
    assert client.get("/auth/me", headers=headers).status_code == 200
    assert identity.login("trader", PASSWORD, "127.0.0.1", "x").user.username == "trader"


def test_a_session_is_ended_under_its_own_user_only(
    client: FlaskClient, identity: Identity, phone: Tokens
) -> None:
    headers = admin_of(identity)
    (session,) = client.get(f"/users/{phone.user.id}/sessions", headers=headers).json["data"]
    viewer = identity.users.find_by_username("viewer").id
    answer = client.delete(f"/users/{viewer}/sessions/{session['id']}", headers=headers)
    assert (answer.status_code, answer.json["type"]) == (404, "not_found")
    assert client.get("/auth/me", headers=bearer(phone.access_token)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_nobody_has_no_sessions(client: FlaskClient, identity: Identity, method: str) -> None:
    answer = client.open("/users/nobody/sessions", method=method, headers=admin_of(identity))
    assert (answer.status_code, answer.json["type"]) == (404, "not_found")


def test_ending_anothers_sessions_takes_a_step_up(
    client: FlaskClient, identity: Identity, phone: Tokens
) -> None:
    admin = identity.login("admin", PASSWORD, "192.0.2.5", EDGE)
    with time_machine.travel(time.time() + 400):
        answer = client.delete(
            f"/users/{phone.user.id}/sessions", headers=bearer(admin.access_token)
        )
        assert (answer.status_code, answer.json["type"]) == (403, "step_up_required")
        assert client.get("/auth/me", headers=bearer(phone.access_token)).status_code == 200
