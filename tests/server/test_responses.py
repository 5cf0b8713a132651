"""How answers leave the server, and what the application's failures look like from outside."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.http_server import TIMEOUT_S, HttpServer, get, post

HELLO = get("/hello")


@contextlib.contextmanager
def held(server: HttpServer) -> Iterator[None]:
    """Keep the server from looking at what is sent meanwhile."""
    begun, sent = threading.Event(), threading.Event()
    server.on_hub(lambda: (begun.set(), sent.wait()))
    assert begun.wait(TIMEOUT_S)
    try:
        yield
    finally:
        sent.set()


def test_a_connection_is_kept_for_many_requests(server: HttpServer) -> None:
    connection = server.connect()
    assert [connection.ask(HELLO).status for _ in range(20)] == [200] * 20


def test_a_client_may_end_the_connection(server: HttpServer) -> None:
    connection = server.connect()
    answer = connection.ask(get("/hello", "Connection: close"))
    assert answer.headers["Connection"] == "close"
    assert connection.is_ended()


def test_a_small_answer_arrives_in_one_piece(server: HttpServer) -> None:
    connection = server.connect()
    connection.send(HELLO)
    assert connection.sock.recv(65536).endswith(b"\r\n\r\nhello")


def test_an_answer_in_pieces_is_chunked(server: HttpServer) -> None:
    connection = server.connect()
    answer = connection.ask(get("/pieces"))
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.body == b"one, two, three"
    assert connection.ask(HELLO).body == b"hello"


def test_an_answer_in_pieces_ends_the_connection_of_an_old_client(server: HttpServer) -> None:
    connection = server.connect()
    answer = connection.ask(b"GET /pieces HTTP/1.0\r\n\r\n")
    assert answer.body == b"one, two, three"
    assert "Transfer-Encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/hello", "/pieces", "/handed-over"])
def test_head_has_no_body(server: HttpServer, path: str) -> None:
    connection = server.connect()
    answer = connection.ask(get(path).replace(b"GET", b"HEAD", 1))
    assert (answer.status, answer.body) == (200, b"")
    assert connection.ask(HELLO).body == b"hello"


def test_options_lists_what_a_path_takes(server: HttpServer) -> None:
    answer = server.ask(b"OPTIONS /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_another_method_is_a_405_that_names_those_that_work(server: HttpServer) -> None:
    answer = server.ask(b"TRACE /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.json["type"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_an_unknown_path_is_a_404(server: HttpServer) -> None:
    answer = server.ask(get("/nowhere"))
    assert (answer.status, answer.json["type"]) == (404, "not_found")


def test_a_large_answer_arrives_whole(server: HttpServer) -> None:
    assert server.ask(get("/large")).body == b"x" * 8_000_000


def test_a_socket_can_be_handed_over(server: HttpServer) -> None:
    connection = server.connect()
    answer = connection.ask(get("/handed-over"))
    assert answer.headers["Connection"] == "close"
    assert "Content-Length" not in answer.headers
    assert answer.body == b"from the taker"
    assert connection.is_ended()


def test_a_crash_outside_of_the_application_is_a_500_that_tells_nothing(
    server: HttpServer, events: list[dict[str, Any]]
) -> None:
    answer = server.ask(get("/crash"))
    assert (answer.status, answer.json["type"]) == (500, "internal_error")
    assert b"LookupError" not in answer.body
    (event,) = [event for event in events if event["event"] == "answer failed"]
    assert isinstance(event["exc_info"], LookupError)


def test_an_answer_that_breaks_off_cannot_be_taken_for_a_whole_one(server: HttpServer) -> None:
    connection = server.connect()
    connection.send(get("/breaks-off"))
    received = b"".join(iter(lambda: connection.sock.recv(65536), b""))
    assert received.endswith(b"5\r\nbegun\r\n")


def test_one_busy_connection_does_not_starve_another(
    server: HttpServer, events: list[dict[str, Any]]
) -> None:
    busy, other = server.connect(), server.connect()
    assert busy.ask(HELLO).status == other.ask(HELLO).status == 200
    events.clear()
    with held(server):
        busy.send(HELLO * 1000)
        other.send(get("/environ"))
    sender = threading.Thread(target=busy.send, args=(HELLO * 2000,))
    sender.start()
    answered = [busy.answer().status for _ in range(3000)]
    sender.join()
    paths = [event["path"] for event in events]
    assert answered == [200] * 3000
    assert paths.index("/environ") < 100


@pytest.mark.parametrize(
    ("urgent", "path"), [(get("/healthz"), "/healthz"), (post("/echo", b"x"), "/echo")]
)
def test_health_is_told_and_commands_are_begun_before_the_reads_that_wait(
    server: HttpServer, events: list[dict[str, Any]], urgent: bytes, path: str
) -> None:
    connections = [server.connect() for _ in range(20)]
    for connection in connections:
        connection.ask(HELLO)
    events.clear()
    with held(server):
        for number, connection in enumerate(connections):
            connection.send(urgent if number == 10 else HELLO)
    assert [connection.answer().status for connection in connections] == [200] * 20
    assert [event["path"] for event in events].index(path) == 0


def test_each_request_is_logged(server: HttpServer, events: list[dict[str, Any]]) -> None:
    server.ask(post("/echo?ticket=secret", b"x", "X-Request-ID: mine"))
    (line,) = [event for event in events if event["event"] == "request"]
    assert line["method"] == "POST"
    assert line["path"] == "/echo"
    assert line["status"] == 200
    assert line["request_id"] == "mine"
    assert line["ms"] > 0


def test_a_line_break_in_a_header_is_a_defect_and_no_header(server: HttpServer) -> None:
    answer = server.ask(get("/splits"))
    assert (answer.status, answer.json["type"]) == (500, "internal_error")
    assert "X-Smuggled" not in answer.headers


def test_an_answer_bears_its_date_once(server: HttpServer) -> None:
    dates = server.ask(get("/hello")).headers.get_all("Date")
    assert dates is not None
    assert [parsedate_to_datetime(date).utcoffset() for date in dates] == [timedelta(0)]
