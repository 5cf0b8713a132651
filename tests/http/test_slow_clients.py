"""Clients that dawdle are given up; those that only wait are not; a stop waits for work."""

from __future__ import annotations

import time

from tests.http.conftest import StartServer
from tests.http.served import Served, get

HELLO = get("/hello")


def test_a_head_that_does_not_end_is_a_408(hasty_server: Served) -> None:
    connection = hasty_server.connect()
    answer = connection.ask(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
    assert (answer.status, answer.json["type"]) == (408, "request_timeout")


def test_a_head_that_drips_is_a_408_all_the_same(hasty_server: Served) -> None:
    connection = hasty_server.connect()
    connection.send(b"GET /hello HTTP/1.1\r\n")
    for number in range(5):
        connection.send(f"X-{number}: a\r\n".encode())
        time.sleep(0.05)
    assert connection.answer().status == 408


def test_a_connection_that_says_nothing_is_closed(hasty_server: Served) -> None:
    assert hasty_server.connect().is_ended()


def test_an_idle_connection_is_closed(hasty_server: Served) -> None:
    connection = hasty_server.connect()
    assert connection.ask(HELLO).status == 200
    assert connection.is_ended()


def test_a_body_that_does_not_come_is_a_408(hasty_server: Served) -> None:
    connection = hasty_server.connect()
    answer = connection.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert (answer.status, answer.json["type"]) == (408, "request_timeout")
    assert connection.is_ended()


def test_an_answer_that_is_not_read_is_given_up(hasty_server: Served) -> None:
    connection = hasty_server.connect()
    connection.send(get("/large"))
    time.sleep(0.6)
    received = 0
    while data := connection.sock.recv(1 << 20):
        received += len(data)
    assert 0 < received < 8_000_000
    assert hasty_server.ask(HELLO).status == 200


def test_an_answer_may_take_the_application_longer(hasty_server: Served) -> None:
    assert hasty_server.ask(get("/slow")).body == b"done"


def test_a_stop_lets_a_request_finish_and_ends_idle_connections(start_server: StartServer) -> None:
    server = start_server()
    idle, busy = server.connect(), server.connect()
    idle.ask(HELLO)
    busy.send(get("/slow"))
    time.sleep(0.1)
    server.stop()
    answer = busy.answer()
    assert (answer.body, answer.headers["Connection"]) == (b"done", "close")
    assert busy.is_ended()
    assert idle.is_ended()
