"""Expired and revoked tokens end their streams, with a real bot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from flask import Flask

from backend.identity import Identity, Principal
from backend.schemas.common import utc_now
from backend.streams import TicketStore
from tests.api_client import PASSWORD, ApiClient, NewClient
from tests.http_server import HttpServer
from tests.streams.stream_client import SseClient

Open = Callable[..., SseClient]
NAME = "short-lived"


@pytest.fixture
def identity(app: Flask) -> Identity:
    identity: Identity = app.extensions["backend"].identity
    return identity


@pytest.fixture
def user_id(client: ApiClient) -> Iterator[str]:
    """A trader who is there for one test."""
    admin = client.as_admin()
    asked = {"username": NAME, "password": PASSWORD, "role": "trader"}
    user = admin.post("/users", json=asked | {"must_change_password": False}, expect=201)
    yield user["id"]
    admin.send("DELETE", f"/users/{user['id']}")


@pytest.fixture
def stream(user_id: str, identity: Identity, served: HttpServer) -> Iterator[SseClient]:
    """That trader's stream of all there is, after its first snapshot."""
    token = identity.login(NAME, PASSWORD, "127.0.0.1", "tests").access_token
    yield from opened(served, f"Authorization: Bearer {token}\r\n")


def opened(served: HttpServer, headers: str = "", query: str = "") -> Iterator[SseClient]:
    stream = SseClient(served.port, f"/api/v1/stream?topics=prices{query}", headers=headers)
    stream.take(1)
    yield stream
    stream.close()


def reason_of_the_end(stream: SseClient) -> str:
    """Return what the last event says; nothing may follow it."""
    end = stream.rest()[-1]
    assert (end.name, end.id) == ("end", None)
    return str(end.data["reason"])


@pytest.mark.parametrize(
    "change", [{"disabled": True}, {"role": "viewer"}, {"password": "another long password"}]
)
def test_a_user_who_is_changed_loses_the_stream(
    client: ApiClient, user_id: str, stream: SseClient, change: dict[str, object]
) -> None:
    client.as_admin().patch(f"/users/{user_id}", json=change)
    assert reason_of_the_end(stream) == "access_revoked"


def test_a_user_who_is_removed_loses_the_stream(
    client: ApiClient, user_id: str, stream: SseClient
) -> None:
    client.as_admin().delete(f"/users/{user_id}")
    assert reason_of_the_end(stream) == "access_revoked"


def test_who_has_to_replace_the_password_loses_the_stream(
    client: ApiClient, user_id: str, stream: SseClient
) -> None:
    client.as_admin().patch(f"/users/{user_id}", json={"must_change_password": True})
    assert reason_of_the_end(stream) == "access_revoked"


def test_a_demanded_second_factor_that_is_removed_ends_the_stream(
    start_client: NewClient, user_id: str
) -> None:
    anybody = start_client(require_second_factor=("trader",))
    login = {"username": NAME, "password": PASSWORD}
    owner = ApiClient(anybody.app, anybody.post("/auth/login", json=login)["access_token"])
    app = pyotp.TOTP(owner.post("/auth/second-factor")["secret"])
    owner.post("/auth/second-factor/confirm", json={"code": app.now()})
    served = HttpServer(anybody.app)
    try:
        for stream in opened(served, f"Authorization: {owner.headers['Authorization']}\r\n"):
            anybody.as_admin().delete(f"/users/{user_id}/second-factor")
            assert reason_of_the_end(stream) == "access_revoked"
        refused = owner.get("/portfolio", expect=403)
        assert refused["type"] == "second_factor_enrolment_required"
    finally:
        served.close()


def test_others_keep_theirs(
    client: ApiClient, user_id: str, stream: SseClient, served: HttpServer
) -> None:
    bearer = client.as_viewer().headers["Authorization"]
    for other in opened(served, f"Authorization: {bearer}\r\n"):
        client.as_admin().patch(f"/users/{user_id}", json={"disabled": True})
        assert reason_of_the_end(stream) == "access_revoked"
        assert other.until("price_update")[-1].data["exchange"] == "sandbox"


def test_a_revoked_api_key_loses_its_stream(client: ApiClient, served: HttpServer) -> None:
    viewer = client.as_viewer()
    asked = {"name": "watcher", "scopes": ["stream:read", "markets:read"]}
    key = viewer.post("/auth/api-keys", json=asked, expect=201)
    for stream in opened(served, f"X-API-Key: {key['key']}\r\n"):
        viewer.delete(f"/auth/api-keys/{key['id']}")
        assert reason_of_the_end(stream) == "access_revoked"


def test_a_token_that_expires_ends_its_stream(
    app: Flask, identity: Identity, served: HttpServer
) -> None:
    token = identity.login("viewer", PASSWORD, "127.0.0.1", "tests").access_token
    known = replace(
        identity.verify_access_token(token), expires_at=utc_now() + timedelta(seconds=2)
    )
    tickets: TicketStore[Principal] = app.extensions["backend"].tickets
    for stream in opened(served, query=f"&ticket={tickets.issue(known)}"):
        assert reason_of_the_end(stream) == "token_expired"
