"""Bodies: chunked, cut short, too large, unread, and clients that ask before they send one."""

from __future__ import annotations

import pytest

from backend.middleware.errors import MAX_BODY_BYTES
from tests.http_server import HttpServer, get, post

HELLO = get("/hello")
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_comes_back(server: HttpServer) -> None:
    assert server.ask(post("/echo", b"a body")).body == b"a body"


def test_a_chunked_body_comes_back(server: HttpServer) -> None:
    connection = server.connect()
    body = b"3\r\none\r\n4;name=value\r\n two\r\n0\r\nTrailer: x\r\n\r\n"
    assert connection.ask(CHUNKED + body).body == b"one two"
    assert connection.ask(HELLO).body == b"hello"


@pytest.mark.parametrize(
    "chunks",
    [
        b"\r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
        b"5\r\nhello\r\n0\r\nTrailer: a\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"Trailer: a\r\n" * 500 + b"\r\n",
        b"5;\nx\r\nhello\r\n0\r\n\r\n",
        b"5;a\r\r\nhello\r\n0\r\n\r\n",
        b"5;\x00\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * 9000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
        b"\xd9\xa5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
    ],
)
def test_broken_chunks_are_a_400_and_end_the_connection(server: HttpServer, chunks: bytes) -> None:
    connection = server.connect()
    answer = connection.ask(CHUNKED + chunks + HELLO)
    assert (answer.status, answer.json["type"]) == (400, "malformed_request")
    assert connection.is_ended()


def test_a_body_that_ends_early_is_a_400(server: HttpServer) -> None:
    connection = server.connect()
    connection.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nshort")
    connection.sock.shutdown(1)
    answer = connection.answer("POST")
    assert (answer.status, answer.json["type"]) == (400, "malformed_request")


@pytest.mark.parametrize("path", ["/echo", "/unread", "/nowhere"])
def test_a_body_that_says_it_is_too_large_is_refused_unread(server: HttpServer, path: str) -> None:
    connection = server.connect()
    length = MAX_BODY_BYTES + 1
    answer = connection.ask(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    assert (answer.status, answer.json["type"]) == (413, "body_too_large")
    assert answer.headers["Connection"] == "close"


def test_a_client_that_sends_a_too_large_body_anyway_can_read_why(server: HttpServer) -> None:
    answer = server.ask(post("/echo", b"x" * (2 * MAX_BODY_BYTES)))
    assert answer.status == 413


def test_the_largest_body_is_taken(server: HttpServer) -> None:
    assert len(server.ask(post("/echo", b"x" * MAX_BODY_BYTES)).body) == MAX_BODY_BYTES


def test_a_chunked_body_that_turns_out_too_large_is_a_413(server: HttpServer) -> None:
    connection = server.connect()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = connection.ask(CHUNKED + chunk * 17 + b"0\r\n\r\n")
    assert (answer.status, answer.json["type"]) == (413, "body_too_large")


def test_an_unread_body_is_not_taken_for_the_next_request(server: HttpServer) -> None:
    connection = server.connect()
    assert connection.ask(post("/unread", get("/environ"))).body == b"did not look"
    assert connection.ask(HELLO).body == b"hello"


def test_an_unread_endless_body_ends_the_connection(server: HttpServer) -> None:
    connection = server.connect()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    connection.send(CHUNKED.replace(b"/echo", b"/unread") + chunk * 20)
    assert connection.answer("POST").body == b"did not look"
    assert connection.is_ended()


def test_a_body_on_a_get_is_harmless(server: HttpServer) -> None:
    connection = server.connect()
    body = get("/environ")
    answer = connection.ask(get("/hello", f"Content-Length: {len(body)}") + body)
    assert answer.body == b"hello"
    assert connection.ask(HELLO).body == b"hello"


def test_a_client_that_waits_is_told_to_go_on(server: HttpServer) -> None:
    connection = server.connect()
    connection.send(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.ask(b"hello").body == b"hello"


def test_a_client_that_waits_in_vain_does_not_confuse_the_connection(server: HttpServer) -> None:
    connection = server.connect()
    answer = connection.ask(
        b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    assert answer.body == b"did not look"
    assert connection.is_ended()
