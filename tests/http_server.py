"""A real server on a real socket with a small application, and clients that send exact bytes."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
import orjson
from flask import Flask, Response, request

from backend.concurrency.gevent_host import GeventHost
from backend.middleware.access_log import with_access_log
from backend.middleware.errors import install_errors
from backend.middleware.headers import with_answer_headers
from backend.ports.socket_handoff import hand_over_socket
from backend.server.admission import Admission
from backend.server.server import Server, listen
from backend.server.timeouts import Timeouts
from backend.server.tls import Certificates

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TIMEOUT_S = 60


def short_timeouts(**patience_s: float) -> Timeouts:
    """Return the default deadlines but for those named, checked often."""
    return Timeouts(sweep_s=0.05, **patience_s)


def small_app() -> Flask:
    """An application that shows what the server makes of requests."""
    app = Flask("small", static_folder=None)
    install_errors(app)
    for path, view in _VIEWS.items():
        methods = ["POST"] if path in ("/echo", "/unread") else ["GET"]
        app.add_url_rule(path, path, view, methods=methods)
    inner = app.wsgi_app

    def crashing(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/crash":
            raise LookupError("outside of Flask")
        if environ["PATH_INFO"] == "/splits":
            start_response("200 OK", [("X-A", "1\r\nX-Smuggled: 2"), ("Content-Length", "0")])
            return []
        return inner(environ, start_response)

    app.wsgi_app = with_answer_headers(with_access_log(crashing))  # type: ignore[method-assign]
    return app


def _environ() -> dict[str, str]:
    return {key: value for key, value in request.environ.items() if isinstance(value, str)}


def _breaks_off() -> Response:
    def body() -> Iterator[str]:
        yield "begun"
        raise LookupError("in the middle")

    return Response(body())


def _handed_over() -> Response:
    def take(sock: socket.socket) -> None:
        with sock:
            sock.sendall(b"from the taker")

    return Response() if hand_over_socket(request.environ, take) else Response("kept")


def _slow() -> str:
    gevent.sleep(0.3)
    return "done"


_VIEWS: dict[str, Callable[[], Any]] = {
    "/hello": lambda: "hello",
    "/healthz": lambda: "well",
    "/echo": lambda: request.get_data(),
    "/unread": lambda: "did not look",
    "/environ": _environ,
    "/pieces": lambda: Response(iter(["one, ", "two, ", "three"])),
    "/large": lambda: b"x" * 8_000_000,
    "/breaks-off": _breaks_off,
    "/handed-over": _handed_over,
    "/slow": _slow,
}


class Answer(NamedTuple):
    """One parsed answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Connection:
    """A client's end of one connection."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, source: str | None = None
    ) -> None:
        origin = None if source is None else (source, 0)
        self.sock = socket.create_connection(("127.0.0.1", port), TIMEOUT_S, origin)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        self._file = self.sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, method: str = "GET") -> Answer:
        """Read one answer, as a client that sent this method would."""
        status_line = self._file.readline()
        headers = http.client.parse_headers(self._file)
        body = b"" if method == "HEAD" else self._read_body(headers)
        return Answer(int(status_line.split()[1]), headers, body)

    def _read_body(self, headers: http.client.HTTPMessage) -> bytes:
        if headers["Transfer-Encoding"] == "chunked":
            body = b""
            while size := int(self._file.readline(), 16):
                body += self._file.read(size)
                self._file.readline()
            self._file.readline()
            return body
        length = headers["Content-Length"]
        return self._file.read(-1 if length is None else int(length))

    def ask(self, data: bytes) -> Answer:
        self.send(data)
        return self.answer(data.split(b" ", 1)[0].decode("latin-1"))

    def is_ended(self) -> bool:
        """Return whether the server has closed the connection; wait for that or for a byte."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self.sock.close()


class HttpServer:
    """A server in a thread of its own."""

    def __init__(
        self,
        application: WSGIApplication,
        timeouts: Timeouts | None = None,
        certificates: Certificates | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission
        self._application = application
        self._timeouts = timeouts
        self._certificates = certificates
        self._connections: list[Connection] = []
        self._started = threading.Event()
        self._is_told = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._started.wait(TIMEOUT_S)

    def connect(self, tls: ssl.SSLContext | None = None, source: str | None = None) -> Connection:
        """Connect, perhaps from another address of this machine (127.0.0.2, …)."""
        self._connections.append(Connection(self.port, tls, source))
        return self._connections[-1]

    def ask(self, data: bytes) -> Answer:
        """Send bytes on a connection of their own and read the answer."""
        return self.connect().ask(data)

    def on_hub(self, function: Callable[[], object]) -> None:
        self._host.call_on_hub(function)

    def stop(self) -> None:
        """Stop as a signal does: requests in work are finished."""
        if not self._is_told:  # its hub ends soon after, and takes no more calls
            self._is_told = True
            self.on_hub(self._told.set)

    def close(self) -> None:
        self.stop()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        for connection in self._connections:
            connection.close()

    def _serve(self) -> None:
        self._host = GeventHost()
        self._told = gevent.event.Event()
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.server = Server(
            listener, self._application, self._timeouts, self._certificates, self._admission
        )
        self.server.start()
        self._started.set()
        self._told.wait()
        self.server.stop(5)
        self.server.close_relays(0.2)
        self._host.close()
        gevent.sleep(0.01)  # gevent closes sockets in its next turn
        gevent.get_hub().destroy(destroy_loop=True)


def get(path: str, *headers: str) -> bytes:
    """Spell a GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1")


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Spell a POST request; the length is right."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
