"""Clients that dawdle are given up; those that only wait are not; a stop waits for work."""

from __future__ import annotations

import threading
import time

import gevent.event

from tests.http_server import get, short_timeouts, small_app
from tests.server.conftest import StartServer
from tests.waiting import wait_until

HELLO = get("/hello")
SHORT_S = 0.3


def test_a_head_that_does_not_end_is_a_408(start_server: StartServer) -> None:
    connection = start_server(short_timeouts(head_s=SHORT_S)).connect()
    answer = connection.ask(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
    assert (answer.status, answer.json["type"]) == (408, "request_timeout")


def test_a_head_that_drips_is_a_408_all_the_same(start_server: StartServer) -> None:
    connection = start_server(short_timeouts(head_s=SHORT_S)).connect()
    connection.send(b"GET /hello HTTP/1.1\r\n")
    for number in range(5):
        connection.send(f"X-{number}: a\r\n".encode())
        time.sleep(0.05)
    assert connection.answer().status == 408


def test_a_connection_that_says_nothing_is_closed(start_server: StartServer) -> None:
    assert start_server(short_timeouts(head_s=SHORT_S)).connect().is_ended()


def test_an_idle_connection_is_closed(start_server: StartServer) -> None:
    connection = start_server(short_timeouts(idle_s=SHORT_S)).connect()
    assert connection.ask(HELLO).status == 200
    assert connection.is_ended()


def test_a_body_that_does_not_come_is_a_408(start_server: StartServer) -> None:
    connection = start_server(short_timeouts(body_s=SHORT_S, linger_s=SHORT_S)).connect()
    answer = connection.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert (answer.status, answer.json["type"]) == (408, "request_timeout")
    assert connection.is_ended()


def test_an_answer_that_is_not_read_is_given_up(start_server: StartServer) -> None:
    server = start_server(short_timeouts(write_s=SHORT_S))
    connection = server.connect()
    connection.ask(HELLO)
    connection.send(get("/large"))
    assert wait_until(lambda: not server.server.connections)
    received = 0
    while data := connection.sock.recv(1 << 20):
        received += len(data)
    assert 0 < received < 8_000_000
    assert server.ask(HELLO).status == 200


def test_an_answer_may_take_the_application_longer(start_server: StartServer) -> None:
    short = dict.fromkeys(("body_s", "write_s", "idle_s"), SHORT_S / 3)
    assert start_server(short_timeouts(**short)).ask(get("/slow")).body == b"done"


def test_a_stop_lets_a_request_finish_and_ends_idle_connections(start_server: StartServer) -> None:
    begun, may_end, app = threading.Event(), gevent.event.Event(), small_app()

    def take_long() -> str:
        begun.set()
        may_end.wait()
        return "done"

    app.add_url_rule("/long", view_func=take_long)
    server = start_server(app=app)
    idle, busy = server.connect(), server.connect()
    idle.ask(HELLO)
    busy.send(get("/long"))
    assert begun.wait(60)
    server.stop()
    assert idle.is_ended()
    server.on_hub(may_end.set)
    answer = busy.answer()
    assert (answer.body, answer.headers["Connection"]) == (b"done", "close")
    assert busy.is_ended()
