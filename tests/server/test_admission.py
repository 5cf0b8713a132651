"""Admission: shares per address, eviction of idle connections, this machine's reserve."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable

import gevent.event
import pytest
from flask import Flask, Response, request

from backend.middleware.proxies import with_proxies
from backend.ports.socket_handoff import hand_over_socket
from backend.server.admission import Admission
from backend.server.admission_limits import AdmissionLimits
from backend.settings.types import Network
from tests.http_server import Connection, HttpServer, get, small_app
from tests.server.conftest import StartServer
from tests.waiting import wait_until

HELLO, HEALTH = get("/hello"), get("/healthz")
LOCAL, ATTACKER, OTHER, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
PROXY = "127.0.0.9"
AT_ONCE_S = 5.0


def limits(
    total: int, per_address: int, descriptors: int = 1000, reserve: int = 2
) -> AdmissionLimits:
    return AdmissionLimits(total, per_address, 4 * per_address, descriptors, 2000, reserve)


def admission(allowed: AdmissionLimits, trusted: int | tuple[Network, ...] = 0) -> Admission:
    """Return a policy for which only 127.0.0.1 is this machine."""
    return Admission(allowed, trusted, local=(ipaddress.ip_network(LOCAL),))


def fill(server: HttpServer, count: int, source: str, ask: bytes = b"") -> list[Connection]:
    """Open connections, one after the other, until the server has taken each."""
    opened = []
    for _ in range(count):
        opened.append(server.connect(source=source))
        if ask:
            assert opened[-1].ask(ask).status == 200
    return opened


def is_refused(server: HttpServer, source: str) -> bool:
    """Return whether a new connection is closed before it has said anything."""
    try:
        return server.connect(source=source).is_ended()
    except ConnectionResetError:
        return True


def is_open(connection: Connection) -> bool:
    """Return whether a connection that should say nothing has not been closed."""
    connection.sock.settimeout(0.2)
    try:
        return connection.sock.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.sock.settimeout(60)


def test_an_address_gets_its_share_and_others_get_in_at_once(start_server: StartServer) -> None:
    server = start_server(admission=admission(limits(20, per_address=5)))
    silent = fill(server, 5, ATTACKER)
    assert [is_refused(server, ATTACKER) for _ in range(45)] == [True] * 45
    started = time.monotonic()
    assert server.connect(source=OTHER).ask(HELLO).status == 200
    assert server.connect(source=OTHER).ask(HEALTH).status == 200
    assert server.connect().ask(HEALTH).status == 200
    assert time.monotonic() - started < AT_ONCE_S
    assert [is_open(connection) for connection in silent] == [True] * 5
    assert server.server.connections_dropped == {"address": 45}


def test_a_closed_connection_gives_its_place_back(start_server: StartServer) -> None:
    server = start_server(admission=admission(limits(20, per_address=1)))
    for _ in range(5):
        connection = server.connect(source=ATTACKER)
        assert connection.ask(HELLO).status == 200
        connection.close()
        assert wait_until(lambda: not server.server.connections)
    assert server.server.connections_dropped == {}


def test_a_full_server_closes_the_longest_idle_of_whoever_holds_most(
    start_server: StartServer,
) -> None:
    server = start_server(admission=admission(limits(8, per_address=5)))
    few = fill(server, 3, OTHER, HELLO)
    many = fill(server, 5, ATTACKER, HELLO)
    assert server.connect(source=THIRD).ask(HELLO).status == 200
    assert many[0].is_ended()
    assert [is_open(connection) for connection in many[1:] + few] == [True] * 7
    assert server.server.connections_dropped == {"evicted": 1}


def test_silent_connections_are_idle_too(start_server: StartServer) -> None:
    server = start_server(admission=admission(limits(5, per_address=5)))
    silent = fill(server, 4, ATTACKER)
    half_a_head = server.connect(source=ATTACKER)
    half_a_head.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert wait_until(lambda: len(server.server.connections) == 5)
    others = [server.connect(source=source) for source in (OTHER, THIRD, "127.0.0.5")]
    assert [other.ask(HELLO).status for other in others] == [200] * 3
    assert [connection.is_ended() for connection in silent[:3]] == [True] * 3


def test_nobody_evicts_an_address_that_holds_no_more_than_they(start_server: StartServer) -> None:
    server = start_server(admission=admission(limits(4, per_address=5)))
    kept = fill(server, 2, ATTACKER, HELLO) + fill(server, 2, OTHER, HELLO)
    assert is_refused(server, OTHER)
    assert [is_open(connection) for connection in kept] == [True] * 4
    assert server.server.connections_dropped == {"full": 1}


def test_requests_in_work_are_never_evicted(start_server: StartServer) -> None:
    may_end, app = gevent.event.Event(), small_app()
    app.add_url_rule("/long", view_func=lambda: may_end.wait() and "done")
    server = start_server(app=app, admission=admission(limits(4, per_address=4)))
    busy = fill(server, 3, ATTACKER)
    for connection in busy:
        connection.send(get("/long"))
    assert wait_until(lambda: sum(not one.idle for one in server.server.connections) == 3)
    idle = fill(server, 1, ATTACKER, HELLO)[0]
    newcomer = server.connect(source=OTHER)
    assert newcomer.ask(HELLO).status == 200
    assert idle.is_ended()
    assert server.connect(source=THIRD).ask(HELLO).status == 200  # in the place of OTHER's
    assert newcomer.is_ended()
    server.on_hub(may_end.set)
    assert [connection.answer().body for connection in busy] == [b"done"] * 3


def test_this_machine_gets_in_when_everything_is_busy(start_server: StartServer) -> None:
    may_end, app = gevent.event.Event(), small_app()
    app.add_url_rule("/long", view_func=lambda: may_end.wait() and "done")
    server = start_server(app=app, admission=admission(limits(4, per_address=4)))
    busy = fill(server, 4, ATTACKER)
    for connection in busy:
        connection.send(get("/long"))
    assert wait_until(lambda: sum(not one.idle for one in server.server.connections) == 4)
    assert is_refused(server, OTHER)
    assert server.connect(source=LOCAL).ask(HEALTH).body == b"well"
    server.on_hub(may_end.set)
    assert [connection.answer().body for connection in busy] == [b"done"] * 4


class Streams:
    """An application whose streams stand until they are closed here, as the hub's thread does."""

    def __init__(self) -> None:
        self.app: Flask = small_app()
        self.app.add_url_rule("/stream", view_func=self._open)
        self.sockets: list[socket.socket] = []

    def _open(self) -> Response:
        assert hand_over_socket(request.environ, self._take)
        return Response()

    def _take(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self.sockets.append(sock)

    def close(self) -> None:
        """End all streams, from another thread than the server's."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()


@pytest.fixture
def streams() -> Streams:
    return Streams()


def test_streams_count_for_their_address_until_they_are_closed(
    start_server: StartServer, streams: Streams
) -> None:
    server = start_server(app=streams.app, admission=admission(limits(4, per_address=3)))
    for number in range(3):
        server.connect(source=ATTACKER).send(get("/stream"))
        assert wait_until(lambda number=number: len(streams.sockets) == number + 1)
    assert wait_until(lambda: not server.server.connections)
    assert is_refused(server, ATTACKER)
    assert server.connect(source=OTHER).ask(HELLO).status == 200
    assert server.server.all_connections == 4
    assert (
        server.connect(source=THIRD).ask(HELLO).status == 200
    )  # OTHER's was idle, streams are not
    assert len(streams.sockets) == 3
    threading.Thread(target=streams.close).start()
    assert wait_until(lambda: server.server.all_connections == 1)
    assert server.connect(source=ATTACKER).ask(HELLO).status == 200


def test_a_stream_that_is_dropped_gives_its_place_back(
    start_server: StartServer, streams: Streams
) -> None:
    server = start_server(app=streams.app, admission=admission(limits(4, per_address=1)))
    server.connect(source=ATTACKER).send(get("/stream"))
    assert wait_until(lambda: len(streams.sockets) == 1)
    streams.sockets.clear()
    assert wait_until(lambda: server.server.all_connections == 0)


def behind_proxy(server_app: Flask, trusted: tuple[Network, ...]) -> Flask:
    server_app.wsgi_app = with_proxies(server_app.wsgi_app, trusted)  # type: ignore[method-assign]
    return server_app


def test_trusted_proxies_are_exempt_and_their_streams_are_their_clients(
    start_server: StartServer, streams: Streams
) -> None:
    trusted = (ipaddress.ip_network(PROXY),)
    app = behind_proxy(streams.app, trusted)
    server = start_server(app=app, admission=admission(limits(50, per_address=3), trusted))
    assert len(fill(server, 20, PROXY, HELLO)) == 20
    client = get("/stream", "X-Forwarded-For: 203.0.113.7")
    for number in range(3):
        server.connect(source=PROXY).send(client)
        assert wait_until(lambda number=number: len(streams.sockets) == number + 1)
    refused = server.connect(source=PROXY).ask(client)
    assert (refused.status, refused.json["type"]) == (429, "too_many_streams")
    server.connect(source=PROXY).send(get("/stream", "X-Forwarded-For: 203.0.113.8"))
    assert wait_until(lambda: len(streams.sockets) == 4)
    assert server.server.connections_dropped == {}
    streams.close()


def test_a_number_of_proxies_exempts_every_address(start_server: StartServer) -> None:
    server = start_server(admission=admission(limits(50, per_address=3), trusted=1))
    assert len(fill(server, 20, PROXY, HELLO)) == 20
    assert server.server.connections_dropped == {}


def test_strangers_do_not_evict_a_proxys_connections(start_server: StartServer) -> None:
    trusted = (ipaddress.ip_network(PROXY),)
    server = start_server(admission=admission(limits(4, per_address=3), trusted))
    kept = fill(server, 4, PROXY, HELLO)
    assert is_refused(server, ATTACKER)
    assert [is_open(connection) for connection in kept] == [True] * 4
    assert server.connect(source=PROXY).ask(HELLO).status == 200  # for its own it makes room
    assert kept[0].is_ended()


def test_a_flood_of_newcomers_from_one_address_slows_nobody(start_server: StartServer) -> None:
    server = start_server(admission=admission(limits(200, per_address=100)))
    stop = threading.Event()
    flood = threading.Thread(target=_connect_until, args=(server.port, stop))
    flood.start()
    try:
        assert wait_until(lambda: server.server.connections_dropped["address"] > 100)
        waits = [_timed(lambda: server.connect(source=OTHER).ask(HEALTH)) for _ in range(20)]
    finally:
        stop.set()
        flood.join()
    assert sorted(waits)[10] < AT_ONCE_S / 10
    assert server.server.connections_dropped.keys() == {"address"}


def _connect_until(port: int, stop: threading.Event) -> None:
    opened: list[socket.socket] = []
    while not stop.is_set():
        with contextlib.suppress(ConnectionResetError):
            opened.append(socket.create_connection((LOCAL, port), 60, (ATTACKER, 0)))
        if len(opened) > 300:
            opened.pop(150).close()
    for sock in opened:
        sock.close()


def _timed(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
