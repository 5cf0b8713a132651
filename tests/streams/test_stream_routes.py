"""The stream routes of the whole backend, with a real bot."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask

from backend.identity import Identity, Principal
from backend.schemas.common import utc_now
from backend.services import Services
from backend.streams import TicketStore
from tests.api_client import PASSWORD, ApiClient
from tests.http_server import HttpServer
from tests.streams.stream_client import Sse, SseClient, wait_until

pytestmark = pytest.mark.every_line

Open = Callable[..., SseClient]
BASE = "/api/v1/stream"


@pytest.fixture
def open_stream(client: ApiClient, served: HttpServer) -> Iterator[Open]:
    """Open streams, as a viewer unless another token, or None, is given."""
    opened: list[SseClient] = []
    viewer = client.as_viewer().headers["Authorization"]

    def open_(path: str = "", authorization: str | None = viewer, **options: str) -> SseClient:
        headers = "" if authorization is None else f"Authorization: {authorization}\r\n"
        opened.append(SseClient(served.port, BASE + path, headers=headers, **options))
        return opened[-1]

    yield open_
    for stream in opened:
        stream.close()


def problem(stream: SseClient) -> dict[str, object]:
    assert stream.status >= 400  # or the body would never end
    found: dict[str, object] = json.loads(stream.body())
    assert stream.status == found["code"]
    return found


def follow_until_running(stream: SseClient, snapshot: Sse) -> None:
    """Go on from a snapshot of the bot that may be of its boot: events come after the state."""
    bot = snapshot.data["data"]
    while bot["state"] != "running":
        bot = stream.until("bot_status")[-1].data["bot"]


def topics_of(events: list[Sse]) -> list[str]:
    return [event.data["topic"] for event in events]


def test_a_stream_carries_every_topic_unless_told_otherwise(open_stream: Open) -> None:
    stream = open_stream()
    snapshots = stream.take(6)
    assert {event.name for event in snapshots} == {"snapshot"}
    assert topics_of(snapshots) == [
        "prices",
        "orders",
        "trades",
        "positions",
        "portfolio",
        "bot",
    ]
    follow_until_running(stream, snapshots[5])


@pytest.mark.parametrize(
    ("path", "topics"),
    [
        ("/prices", ["prices"]),
        ("/orders", ["orders", "trades"]),
        ("?topics=bot,orders", ["orders", "bot"]),
        ("?topics=bot,bot", ["bot"]),
    ],
)
def test_a_stream_carries_what_was_asked_for(
    open_stream: Open, path: str, topics: list[str]
) -> None:
    assert topics_of(open_stream(path).take(len(topics))) == topics


def test_the_answer_is_marked_as_an_endless_stream(open_stream: Open) -> None:
    head = open_stream("/prices").head.lower()
    assert "content-type: text/event-stream; charset=utf-8" in head
    assert "cache-control: no-store, no-transform" in head
    assert "x-accel-buffering: no" in head
    assert "content-length" not in head
    assert "transfer-encoding" not in head
    assert "x-request-id: " in head


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("?topics=nonsense", "topics"),
        ("?topics=prices,", "topics"),
        ("?topics=", "topics"),
        ("?symbols=nonsense", "symbols"),
        ("?symbols=", "symbols"),
        ("?symbols=BTC-USDT,DOGE-USDT", "symbols"),
        ("/prices?topics=prices", "topics"),
        ("/prices?after=" + "1" * 51, "after"),
        ("?unknown=1", "unknown"),
    ],
)
def test_what_is_not_known_is_refused_by_name(open_stream: Open, path: str, field: str) -> None:
    found = problem(open_stream(path))
    assert found["code"] == 400
    assert [row["field"] for row in found["fields"]] == [field]  # type: ignore[attr-defined]


def test_symbols_choose(open_stream: Open) -> None:
    stream = open_stream("/prices?symbols=eth-usdt")
    events = stream.take(4)
    shown = [row["symbol"] for row in events[0].data["data"]]
    assert {*shown, *(event.data["symbol"] for event in events[1:])} == {"ETH/USDT"}


def test_streams_are_for_the_authenticated(open_stream: Open) -> None:
    assert problem(open_stream(authorization=None))["type"] == "not_authenticated"
    assert problem(open_stream(authorization="Bearer x"))["type"] == "invalid_token"
    assert problem(open_stream("?ticket=x", authorization=None))["type"] == "invalid_token"


def test_a_ticket_opens_one_stream(open_stream: Open, client: ApiClient) -> None:
    granted = client.as_viewer().post("/stream/ticket", expect=201)
    path = f"?topics=bot&ticket={granted['ticket']}"
    assert granted["expires_in"] == 30
    assert topics_of(open_stream(path, authorization=None).take(1)) == ["bot"]
    assert problem(open_stream(path, authorization=None))["type"] == "invalid_token"


def test_a_ticket_of_a_session_that_ended_opens_nothing(
    open_stream: Open, client: ApiClient
) -> None:
    viewer = client.as_viewer()
    ticket = viewer.post("/stream/ticket", expect=201)["ticket"]
    viewer.post("/auth/logout", json={})
    assert open_stream(f"?ticket={ticket}", authorization=None).status == 401


def test_no_ticket_reaches_a_log(
    open_stream: Open, client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ticket = client.as_viewer().post("/stream/ticket", expect=201)["ticket"]
    home = client.app.extensions["backend"].settings.home
    open_stream(f"?ticket={ticket}", authorization=None).take(1)
    assert open_stream(f"?ticket={ticket}", authorization=None).status == 401
    log = home / "logs" / "backend.log"
    wait_until(lambda: log.read_text().count('"path":"/api/v1/stream"') >= 2)
    assert ticket not in log.read_text() + caplog.text


def ticket_of_one_who_may(app: Flask, *scopes: str) -> str:
    identity: Identity = app.extensions["backend"].identity
    token = identity.login("viewer", PASSWORD, "127.0.0.1", "tests").access_token
    known = identity.verify_access_token(token)
    tickets: TicketStore[Principal] = app.extensions["backend"].tickets
    return tickets.issue(
        Principal(
            known.user_id,
            known.username,
            known.role,
            frozenset(scopes),
            known.token_id,
            known.session_id,
            utc_now() + timedelta(seconds=60),
        )
    )


def test_topics_take_their_own_scopes(open_stream: Open, app: Flask) -> None:
    scopes = ("stream:read", "orders:read", "bot:read")
    for path in ("/prices", "/orders", "?topics=bot,portfolio"):
        separator = "&" if "?" in path else "?"
        ticket = ticket_of_one_who_may(app, *scopes)
        refused = problem(open_stream(f"{path}{separator}ticket={ticket}", authorization=None))
        assert (refused["code"], refused["type"]) == (403, "forbidden")
    ticket = ticket_of_one_who_may(app, *scopes)
    snapshots = open_stream(f"?ticket={ticket}", authorization=None).take(3)
    assert topics_of(snapshots) == ["orders", "positions", "bot"]


def test_who_may_read_no_topic_gets_no_stream(open_stream: Open, app: Flask) -> None:
    ticket = ticket_of_one_who_may(app, "stream:read")
    assert problem(open_stream(f"?ticket={ticket}", authorization=None))["code"] == 403
    ticket = ticket_of_one_who_may(app, "orders:read")
    assert problem(open_stream(f"/orders?ticket={ticket}", authorization=None))["code"] == 403


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_lost_stream_is_resumed(open_stream: Open, way: str) -> None:
    stream = open_stream("/prices")
    first = stream.take(3)[2]
    assert first.id is not None
    stream.close()
    again = (
        open_stream("/prices", last_event_id=first.id)
        if way == "header"
        else open_stream(f"/prices?after={first.id}")
    )
    [event] = again.take(1)
    assert event.name == "price_update"
    assert event.sequence > first.sequence


def test_malformed_ids_are_refused(open_stream: Open) -> None:
    for stream in (open_stream("?after=x"), open_stream(last_event_id="x")):
        assert problem(stream)["type"] == "malformed_request"


def told_of_an_order(stream: SseClient, client: ApiClient) -> list[str]:
    """Buy, and return the names of the events up to the balances after the trade."""
    buy = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}
    order = client.as_trader().post("/orders", json=buy, expect=201)
    told: list[str] = []
    while told[-1:] != ["portfolio_updated"] or "trade" not in told:
        [event] = stream.take(1)
        told.append(event.name)
        if "order" in event.data:
            assert event.data["order"]["id"] == order["id"]
    return told


def test_an_order_is_told_from_creation_to_balance(open_stream: Open, client: ApiClient) -> None:
    stream = open_stream("?topics=orders,trades,portfolio")
    stream.take(3)
    told_of_an_order(stream, client)  # the balances of the boot may be told in between
    told = told_of_an_order(stream, client)
    names = [name for name in dict.fromkeys(told) if name != "order_updated"]
    assert names == ["order_created", "order_filled", "trade", "portfolio_updated"]


def test_a_logout_ends_the_stream(open_stream: Open, client: ApiClient) -> None:
    viewer = client.as_viewer()
    stream = open_stream("?topics=bot", authorization=viewer.headers["Authorization"])
    stream.take(1)
    viewer.post("/auth/logout", json={})
    end = stream.rest()[-1]
    assert (end.name, end.data["reason"]) == ("end", "access_revoked")


def test_streams_outlive_a_restart_of_the_bot(open_stream: Open, client: ApiClient) -> None:
    stream = open_stream("?topics=orders,bot")
    follow_until_running(stream, stream.take(2)[1])
    client.as_admin().post("/bot/restart", expect=202)
    states = []
    while states[-1:] != ["running"]:
        [event] = stream.take(1)
        if event.name == "bot_status":
            states.append(event.data["bot"]["state"])
    assert states[0] == "stopping"
    wait_until(lambda: client.as_viewer().get("/bot")["state"] == "running")


def test_streams_open_while_the_bot_is_down(open_stream: Open, client: ApiClient) -> None:
    client.as_admin().post("/bot/stop")
    wait_until(lambda: client.as_viewer().get("/bot")["state"] == "stopped")
    stream = open_stream("/prices?symbols=BTC-USDT")
    assert topics_of(stream.take(1)) == ["prices"]
    client.as_admin().post("/bot/start", expect=202)
    assert stream.until("price_update")[-1].data["symbol"] == "BTC/USDT"
    wait_until(lambda: client.as_viewer().get("/bot")["state"] == "running")


def test_asking_for_the_head_opens_nothing(client: ApiClient) -> None:
    answer = client.as_viewer().send("HEAD", "/stream")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.data == b""


def test_a_user_has_a_bound_of_streams(open_stream: Open, client: ApiClient) -> None:
    parts: Services = client.app.extensions["backend"]
    wait_until(lambda: parts.hub.open_streams == 0)  # those of other tests end a moment later
    bound = parts.settings.stream_clients_per_user
    streams = [open_stream("?topics=bot") for _ in range(bound)]
    for stream in streams:
        stream.take(1)
    refused = open_stream("?topics=bot")
    assert problem(refused)["type"] == "too_many_streams"
    assert "Retry-After: 5" in refused.head
