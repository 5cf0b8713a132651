"""The server over TLS: what it speaks, whom it gives up, and how its certificate is renewed."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from flask import Response, request

from backend.ports.socket_handoff import hand_over_socket
from backend.server.timeouts import Timeouts
from backend.server.tls import Certificates
from backend.settings.model import SettingsError
from tests.http_server import TIMEOUT_S, HttpServer, get, post, short_timeouts, small_app
from tests.waiting import wait_until

HELLO = get("/hello")
StartTls = Callable[..., HttpServer]


class Owner:
    """Takes connections over, in a thread of its own; `ended` is set when one is at its end."""

    def __init__(self, use: Callable[[socket.socket], None]) -> None:
        self.ended = threading.Event()
        self._use = use

    def show(self) -> Response:
        assert hand_over_socket(request.environ, self._take)
        return Response()

    def _take(self, sock: socket.socket) -> None:
        threading.Thread(target=self._own, args=(sock,), daemon=True).start()

    def _own(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            self._use(sock)
        self.ended.set()


def echo(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def send_without_end(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x" * 65536)


class Pair:
    """A certificate and its key in two files, made by an authority of the tests."""

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        self._authority = authority
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.write()

    def write(self) -> None:
        """Issue it, or a new one."""
        issued = self._authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(self.key)
        self.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> Pair:
    return Pair(authority, tmp_path)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client that checks the server's certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def start(pair: Pair) -> Iterator[StartTls]:
    started: list[HttpServer] = []

    def start_server(timeouts: Timeouts | None = None, owner: Owner | None = None) -> HttpServer:
        app = small_app()
        if owner is not None:
            app.add_url_rule("/owned", view_func=owner.show)
        started.append(HttpServer(app, timeouts, Certificates(pair.chain, pair.key)))
        return started[-1]

    yield start_server
    for served in started:
        served.close()


def test_requests_are_answered_and_know_their_scheme(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    connection = start().connect(trusting)
    assert connection.ask(HELLO).body == b"hello"
    assert connection.ask(post("/echo", b"x" * 500_000)).body == b"x" * 500_000
    assert connection.ask(get("/environ")).json["wsgi.url_scheme"] == "https"
    assert connection.ask(get("/large")).body == b"x" * 8_000_000


def test_a_connection_that_is_handed_over_keeps_its_tls(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    connection = start().connect(trusting)
    assert connection.ask(get("/handed-over")).body == b"from the taker"
    assert connection.is_ended()


def test_whoever_took_a_connection_over_hears_the_client_until_it_is_gone(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    owner = Owner(echo)
    connection = start(owner=owner).connect(trusting)
    connection.send(get("/owned"))
    assert connection.answer("HEAD").status == 200
    for said in (b"one", b"two" * 10_000):
        connection.send(said)
        heard = b""
        while len(heard) < len(said):
            heard += connection.sock.recv(65536)
        assert heard == said
    connection.close()
    assert owner.ended.wait(TIMEOUT_S)


def test_a_connection_that_is_handed_over_is_counted_until_it_ends(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    server = start(owner=Owner(echo))
    connection = server.connect(trusting)
    connection.send(get("/owned"))
    assert connection.answer("HEAD").status == 200
    assert wait_until(lambda: not server.server.connections)
    assert server.server.all_connections == 1
    connection.close()
    assert wait_until(lambda: server.server.all_connections == 0)


def test_a_client_that_takes_nothing_holds_its_owner_up_only_for_so_long(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    owner = Owner(send_without_end)
    server = start(short_timeouts(write_s=0.3), owner)
    connection = server.connect(trusting)
    connection.send(get("/owned"))
    assert owner.ended.wait(TIMEOUT_S)
    assert server.connect(trusting).ask(HELLO).status == 200


def test_a_stop_ends_connections_that_were_handed_over(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    owner = Owner(echo)
    server = start(owner=owner)
    connection = server.connect(trusting)
    connection.send(get("/owned"))
    assert connection.answer("HEAD").status == 200
    server.stop()
    assert owner.ended.wait(TIMEOUT_S)
    assert connection.is_ended()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_versions_are_spoken(
    start: StartTls, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    connection = start().connect(trusting)
    assert connection.sock.version() == version.name.replace("_", ".")
    assert connection.ask(HELLO).status == 200


def test_old_versions_are_refused(start: StartTls, trusting: ssl.SSLContext) -> None:
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which is the point
        trusting.minimum_version = ssl.TLSVersion.TLSv1
        trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        start().connect(trusting)


def test_ciphers_without_forward_secrecy_are_refused(
    start: StartTls, trusting: ssl.SSLContext
) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        start().connect(trusting)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_a_handshake_that_does_not_come_is_given_up(
    start: StartTls, trusting: ssl.SSLContext, said: bytes
) -> None:
    server = start(short_timeouts(head_s=1))
    silent = server.connect()
    silent.send(said)
    while alert := silent.sock.recv(1024):
        assert alert.startswith(b"\x15\x03")
    assert server.connect(trusting).ask(HELLO).status == 200


def test_a_slow_head_is_a_408_here_too(start: StartTls, trusting: ssl.SSLContext) -> None:
    answer = (
        start(short_timeouts(head_s=1)).connect(trusting).ask(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
    )
    assert (answer.status, answer.json["type"]) == (408, "request_timeout")


def test_plain_http_is_not_answered(start: StartTls, trusting: ssl.SSLContext) -> None:
    server = start()
    plain = server.connect()
    plain.send(HELLO)
    with contextlib.suppress(ConnectionResetError):
        assert not plain.sock.recv(65536).startswith(b"HTTP")
    assert server.connect(trusting).ask(HELLO).status == 200


def serial(port: int, trusting: ssl.SSLContext) -> str:
    plain = socket.create_connection(("127.0.0.1", port))
    with trusting.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
        return str(wrapped.getpeercert()["serialNumber"])


def test_a_new_certificate_is_shown_without_a_restart(
    start: StartTls, trusting: ssl.SSLContext, pair: Pair
) -> None:
    server = start(short_timeouts())
    before = serial(server.port, trusting)
    pair.write()
    deadline = time.monotonic() + TIMEOUT_S
    while serial(server.port, trusting) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_new_certificate_that_is_broken_leaves_the_old_one(
    start: StartTls, trusting: ssl.SSLContext, pair: Pair, events: list[dict[str, object]]
) -> None:
    server = start(short_timeouts())
    before = serial(server.port, trusting)
    pair.chain.write_text("half a certif")
    deadline = time.monotonic() + TIMEOUT_S
    while not any("new certificate" in str(event["event"]) for event in events):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert serial(server.port, trusting) == before


def test_what_is_no_certificate_stops_the_start(pair: Pair) -> None:
    pair.key.write_text("no key")
    with pytest.raises(SettingsError, match=r"^BACKEND_TLS_CERT, BACKEND_TLS_KEY: .*in PEM"):
        Certificates(pair.chain, pair.key)
    pair.chain.unlink()
    with pytest.raises(SettingsError, match="No such file"):
        Certificates(pair.chain, pair.key)
