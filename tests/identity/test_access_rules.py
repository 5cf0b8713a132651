"""Every route declares its access rule, and the rule is enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.identity import Identity, Principal
from backend.middleware.auth import (
    AccessRule,
    authenticated,
    check_every_route_has_a_rule,
    current_principal,
    public,
    requires,
    rule_of,
)
from backend.schemas.users import UserChange
from tests.identity_app import NOWHERE, PASSWORD, bearer


@pytest.fixture
def principals() -> dict[str, Principal]:
    """Principals that the test app accepts in place of an Authorization header."""
    return {}


@pytest.fixture
def client(app: Flask, principals: dict[str, Principal]) -> Iterator[FlaskClient]:
    @app.get("/open")
    @public
    def see_open() -> str:
        return "open"

    @app.get("/mine")
    @authenticated
    def see_mine() -> str:
        return current_principal().username

    @app.post("/orders")
    @requires("orders:write")
    def post_order() -> str:
        return "ordered"

    @app.get("/stream")
    @requires("stream:read", credentials=lambda: principals.pop("ticket", None))
    def see_stream() -> str:
        return current_principal().username

    @app.get("/confused")
    @public
    def see_confused() -> str:
        return current_principal().username

    check_every_route_has_a_rule(app)
    return app.test_client()


@pytest.fixture
def headers(identity: Identity) -> dict[str, dict[str, str]]:
    names = ("viewer", "trader", "admin")
    return {name: bearer(identity.login(name, PASSWORD, *NOWHERE).access_token) for name in names}


def test_a_public_route_asks_for_nothing(client: FlaskClient) -> None:
    assert client.get("/open").text == "open"
    assert client.get("/open", headers={"Authorization": "Bearer nonsense"}).text == "open"


def test_a_route_without_a_rule_stops_the_start_and_answers_nobody(
    client: FlaskClient, app: Flask, headers: dict[str, dict[str, str]]
) -> None:
    app.add_url_rule("/forgotten/<name>", view_func=lambda name: name, endpoint="forgotten")
    with pytest.raises(RuntimeError, match="/forgotten/<name>"):
        check_every_route_has_a_rule(app)
    assert client.get("/forgotten/x", headers=headers["admin"]).status_code == 403


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("viewer", (200, 403, 200)), ("trader", (200, 200, 200)), ("admin", (200, 200, 200))],
)
def test_scopes_decide(
    client: FlaskClient,
    headers: dict[str, dict[str, str]],
    role: str,
    statuses: tuple[int, ...],
) -> None:
    answers = (
        client.get("/mine", headers=headers[role]),
        client.post("/orders", headers=headers[role]),
        client.get("/stream", headers=headers[role]),
    )
    assert tuple(answer.status_code for answer in answers) == statuses


def test_a_missing_scope_is_named(client: FlaskClient, headers: dict[str, dict[str, str]]) -> None:
    problem = client.post("/orders", headers=headers["viewer"]).json
    assert (problem["type"], problem["details"]) == (
        "forbidden",
        "this takes the scope orders:write",
    )


def test_without_a_token_it_is_a_401_that_says_how(client: FlaskClient) -> None:
    answer = client.get("/mine")
    assert (answer.status_code, answer.json["type"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["details"].startswith("send an access token, Auth")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dHJhZGVyOng=",
        "Bearer a b",
        "nonsense",
        "Bearer é",
        "Bearer,",
    ],
)
def test_a_header_that_is_no_bearer_token_is_refused(client: FlaskClient, header: str) -> None:
    answer = client.get("/mine", headers={"Authorization": header})
    assert (answer.status_code, answer.json["type"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_the_scheme_may_be_written_in_any_case(
    client: FlaskClient, headers: dict[str, dict[str, str]]
) -> None:
    token = headers["viewer"]["Authorization"].removeprefix("Bearer ")
    for header in (f"bearer {token}", f"BEARER  {token}"):
        assert client.get("/mine", headers={"Authorization": header}).text == "viewer"


def test_a_token_is_not_taken_from_the_address_or_a_cookie(
    client: FlaskClient, headers: dict[str, dict[str, str]]
) -> None:
    token = headers["viewer"]["Authorization"].removeprefix("Bearer ")
    assert client.get(f"/mine?access_token={token}&token={token}").status_code == 401
    client.set_cookie("access_token", token)
    assert client.get("/mine").status_code == 401


def test_another_way_in_is_asked_only_without_a_header(
    client: FlaskClient, identity: Identity, principals: dict[str, Principal]
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    principals["ticket"] = identity.verify_access_token(viewer.access_token)
    wrong = client.get("/stream", headers={"Authorization": "Bearer nonsense"})
    assert (wrong.status_code, "ticket" in principals) == (401, True)
    assert client.get("/stream").text == "viewer"
    assert client.get("/stream").status_code == 401


def test_another_way_in_ends_with_the_users_tokens(
    client: FlaskClient, identity: Identity, principals: dict[str, Principal]
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    principals["ticket"] = principal = identity.verify_access_token(viewer.access_token)
    identity.users.change(principal.user_id, UserChange(disabled=True))
    answer = client.get("/stream")
    assert (answer.status_code, answer.json["type"]) == (401, "invalid_token")


def test_another_way_in_does_not_widen_scopes(
    client: FlaskClient, app: Flask, identity: Identity
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    principal = identity.verify_access_token(viewer.access_token)

    @app.get("/private")
    @requires("audit:read", credentials=lambda: principal)
    def see_private() -> str:
        return "private"

    assert client.get("/private").status_code == 403


def test_nobody_calls_a_public_route(
    client: FlaskClient, headers: dict[str, dict[str, str]]
) -> None:
    assert client.get("/confused", headers=headers["viewer"]).status_code == 401


def test_two_apps_may_give_one_view_different_rules() -> None:
    def show() -> str:
        return "shown"

    apps = [Flask("one"), Flask("other")]
    for app, mark in zip(apps, (authenticated, public), strict=True):
        app.add_url_rule("/shown", view_func=mark(show))
    assert [rule_of(app, "show") for app in apps] == [AccessRule(), AccessRule(public=True)]


def test_preflights_and_unknown_addresses_need_no_token(client: FlaskClient) -> None:
    preflight = client.options("/orders")
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Allow"]
    assert client.get("/nowhere").status_code == 404
    assert client.delete("/orders").status_code == 405


def test_head_is_guarded_like_get(client: FlaskClient, headers: dict[str, dict[str, str]]) -> None:
    assert client.head("/mine").status_code == 401
    assert client.head("/mine", headers=headers["viewer"]).status_code == 200
