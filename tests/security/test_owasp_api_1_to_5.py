"""The OWASP API Security Top 10 of 2023, items 1 to 5: who may see and do what.

More of it: test_access_matrix.py (5), test_login_flood.py (2, 4), tests/identity (2), tests/server
(4).
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from flask import Flask

from tests.api_client import PASSWORD, ApiClient
from tests.security.api_callers import bearer, log_in
from tests.security.contract_routes import (
    BODIES,
    DOCUMENT,
    OPERATIONS,
    is_bounded,
    model,
    texts_and_lists,
)

LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "9000"}


class TestApi1BrokenObjectLevelAuthorization:
    """Ids of others open nothing."""

    def test_a_session_is_its_owners(self, app: Flask, client: ApiClient) -> None:
        trader = client.as_trader()
        (mine, *_) = trader.get("/auth/sessions")
        for other in (client.as_viewer(), client.as_admin()):
            assert mine["id"] not in [row["id"] for row in other.get("/auth/sessions")]
            other.delete(f"/auth/sessions/{mine['id']}", expect=404)
        assert mine["id"] in [row["id"] for row in trader.get("/auth/sessions")]

    def test_a_refresh_token_of_another_ends_nothing_of_theirs(
        self, app: Flask, client: ApiClient
    ) -> None:
        theirs = log_in(app, "trader")
        client.as_viewer().post("/auth/logout", json={"refresh_token": theirs.refresh_token})
        again = client.post("/auth/refresh", json={"refresh_token": theirs.refresh_token})
        assert again["user"]["username"] == "trader"

    def test_a_key_that_another_used_names_another_intent(self, client: ApiClient) -> None:
        named = {"Idempotency-Key": "the-same-for-both"}
        orders = [
            user.post("/orders", json=LIMIT, headers=named, expect=201)
            for user in (client.as_trader(), client.as_admin())
        ]
        assert orders[0]["id"] != orders[1]["id"]
        for order in orders:
            client.as_trader().delete(f"/orders/{order['id']}")

    def test_ids_cannot_be_counted_up(self, client: ApiClient) -> None:
        trader = client.as_trader()
        order = trader.post("/orders", json=LIMIT, expect=201)
        trader.delete(f"/orders/{order['id']}")
        assert not order["id"].isdecimal()
        assert len(order["id"]) >= 16


class TestApi2BrokenAuthentication:
    """Nobody gets in without the right secret, and no answer helps to guess it."""

    def test_a_wrong_name_and_a_wrong_password_look_the_same(self, client: ApiClient) -> None:
        problems = [
            client.post("/auth/login", json={"username": name, "password": "wrong"}, expect=401)
            for name in ("trader", "nobody-of-this-name")
        ]
        for problem in problems:
            del problem["request_id"], problem["timestamp"]
        assert problems[0] == problems[1]

    @pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256"])
    def test_a_token_cannot_choose_its_algorithm(
        self, app: Flask, client: ApiClient, algorithm: str
    ) -> None:
        _, claims, signature = log_in(app, "admin").access_token.split(".")
        header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        for end in (signature, ""):
            forged = f"{header.decode().rstrip('=')}.{claims}.{end}"
            response = client.send("GET", "/auth/me", headers=bearer(forged))
            assert (response.status_code, response.get_json()["type"]) == (401, "invalid_token")

    def test_a_token_in_an_address_a_cookie_or_a_body_is_none(
        self, app: Flask, client: ApiClient
    ) -> None:
        token = log_in(app, "admin").access_token
        names = ("token", "access_token", "api_key", "authorization")
        for name in names:
            assert client.send("GET", f"/users?{name}={token}").status_code == 401
            assert (
                client.send("GET", "/users", headers={"Cookie": f"{name}={token}"}).status_code
                == 401
            )
            assert client.send("GET", "/users", json={name: token}).status_code == 401

    def test_a_password_comes_back_in_no_answer(self, app: Flask, client: ApiClient) -> None:
        secret = "a-password-that-nobody-has-5128"
        admin = client.as_admin()
        new = {"username": "short-lived", "password": secret, "role": "viewer"}
        created = admin.send("POST", "/users", json=new)
        assert created.status_code == 201
        answers = [
            created,
            admin.send("POST", "/users", json=new),
            admin.send("POST", "/users", json=new | {"username": "not valid"}),
            client.send(
                "POST", "/auth/login", json={"username": "short-lived", "password": secret}
            ),
            client.send("POST", "/auth/login", json={"username": secret, "password": secret}),
            admin.send("DELETE", f"/users/{created.get_json()['data']['id']}"),
        ]
        assert [answer for answer in answers if secret in answer.text] == []


class TestApi3BrokenObjectPropertyLevelAuthorization:
    """No field is taken or shown that the contract does not name."""

    @pytest.mark.parametrize(("method", "path", "schema"), BODIES)
    def test_bodies_take_no_other_fields(
        self, method: str, path: str, schema: dict[str, Any]
    ) -> None:
        merge_patch = (method, path) == ("PATCH", "/api/v1/config")
        assert model(schema).get("additionalProperties") is merge_patch

    @pytest.mark.parametrize("extra", ["role", "scopes", "id", "disabled", "__proto__", "is_admin"])
    def test_nobody_promotes_themselves(self, client: ApiClient, extra: str) -> None:
        change = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!", extra: "admin"}
        problem = client.as_viewer().put("/auth/password", json=change, expect=400)
        assert [field["field"] for field in problem["fields"]] == [extra]
        assert client.as_viewer().get("/auth/me")["role"] == "viewer"

    def test_users_are_shown_without_what_logs_them_in(self, client: ApiClient) -> None:
        for user in client.as_admin().get("/users"):
            assert not [name for name in user if re.search("hash|secret|totp_|token", name)]
        assert "argon2" not in client.as_admin().send("GET", "/users").text


class TestApi4UnrestrictedResourceConsumption:
    """Everything that costs is counted and bounded."""

    @pytest.mark.parametrize("operation", OPERATIONS, ids=str)
    def test_every_route_is_limited(self, operation: Any) -> None:
        described = DOCUMENT["paths"][operation.template][operation.method.lower()]
        assert "429" in described["responses"]

    @pytest.mark.parametrize("operation", OPERATIONS, ids=str)
    def test_every_listis_bounded(self, operation: Any) -> None:
        described = DOCUMENT["paths"][operation.template][operation.method.lower()]
        for parameter in described.get("parameters", []):
            if parameter["name"] == "limit":
                assert 1 <= parameter["schema"]["maximum"] <= 1000

    @pytest.mark.parametrize(("method", "path", "schema"), BODIES)
    def test_every_text_and_list_in_a_bodyis_bounded(
        self, method: str, path: str, schema: dict[str, Any]
    ) -> None:
        loose = [name for name, part in texts_and_lists(model(schema)) if not is_bounded(part)]
        assert loose == []


class TestApi5BrokenFunctionLevelAuthorization:
    """No spelling of a route gets around its rule; test_access_matrix.py asks them all."""

    @pytest.mark.parametrize(
        "path",
        [
            "/api/v1//users",
            "/api/v1/./users",
            "/api/v1/auth/../users",
            "/api/v1/auth/%2e%2e/users",
            "/api/v1/%75sers%2f",
            "/api/v1/users/",
            "/api/v1/Users",
            "/API/v1/users",
            "/api/v1/users;a=b",
            "/api/v1/users%00",
            "/api/v1/users%20",
            "/api/v2/users",
        ],
    )
    def test_another_spelling_opens_nothing(self, client: ApiClient, path: str) -> None:
        for caller in (client, client.as_viewer(), client.as_admin()):
            assert caller.send("GET", path).status_code in (400, 401, 403, 404)

    @pytest.mark.parametrize(
        "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]
    )
    def test_a_header_does_not_change_the_method(self, client: ApiClient, name: str) -> None:
        trader = client.as_trader()
        order = trader.post("/orders", json=LIMIT, expect=201)
        viewer = client.as_viewer()
        shown = viewer.get(f"/orders/{order['id']}", headers={name: "DELETE"})
        assert shown["status"] == "open"
        trader.send("POST", "/orders?_method=DELETE", json=LIMIT)
        assert trader.get(f"/orders/{order['id']}")["status"] == "open"
        trader.delete(f"/orders/{order['id']}")

    @pytest.mark.parametrize(
        "name", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Prefix"]
    )
    def test_a_header_does_not_change_the_path(self, client: ApiClient, name: str) -> None:
        response = client.send("GET", "/healthz", headers={name: "/api/v1/users"})
        assert response.get_json()["data"] == {"status": "ok"}
        refused = client.as_viewer().send("GET", "/users", headers={name: "/healthz"})
        assert refused.status_code == 403

    def test_nobody_vouches_for_themselves(self, client: ApiClient) -> None:
        # requests from inside of the process bring their caller along under this name
        for name in (
            "backend.principal",
            "Backend-Principal",
            "X-User",
            "X-Remote-User",
            "Remote-User",
        ):
            assert client.send("GET", "/users", headers={name: "admin"}).status_code == 401
