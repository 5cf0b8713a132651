"""HTTP/1.1 connection: gevent's WSGI handler with strict heads, deadlines and fewer packets."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import gevent
import structlog
from gevent.pywsgi import WSGIHandler

from backend.errors import ApiError, InternalError, MalformedRequest
from backend.middleware.errors import MAX_BODY_BYTES, HttpError
from backend.ports.socket_handoff import (
    SocketReceiver,
    refuse_handoff,
    socket_receiver,
)
from backend.server import http1
from backend.server.environ import add_request
from backend.server.refusal import refusal
from backend.server.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from backend.server.admission import Slot

_ONE_SEND_BYTES = 64 * 1024
_NEVER = float("inf")
_PRIORITY_INTERVAL_S = 0.005
_HEALTH_PATHS = frozenset({"/healthz", "/readyz"})  # monitors restart a server that is late here
_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_RESET_ERRORS = (errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED)
_DISCONNECT_ERRORS = (*_RESET_ERRORS, errno.ETIMEDOUT, errno.EHOSTUNREACH)

_log = structlog.get_logger(__name__)


class ConnectionOwner(Protocol):
    """The part of the server that its connections use."""

    application: WSGIApplication
    timeouts: Timeouts
    connections: set[Connection]
    stopping: bool
    next_priority_at: float

    @property
    def is_tls(self) -> bool:
        """True if a connection begins with a TLS handshake."""

    def count_refusal(self, status: int, address: str) -> bool:
        """Count a refused request; return whether it is answered."""

    def get_environ(self) -> WSGIEnvironment:
        """Return a copy of the environ keys that are the same for every request."""

    def release(self, sock: Any, slot: Slot) -> socket.socket:  # noqa: ANN401 - gevent's sockets
        """Detach the connection from the hub; return a blocking socket for another thread."""


class Connection(WSGIHandler):  # type: ignore[misc]  # gevent is untyped
    """WSGI handler that serves the requests of one connection in turn.

    The server's sweep calls `expire` once `deadline`, a monotonic time, has passed.
    Requests with priority skip a turn of the hub, at most one per interval: until
    `next_priority_at` there is no other.
    """

    ignored_socket_errors = _DISCONNECT_ERRORS
    server: ConnectionOwner
    socket: Any
    rfile: BinaryIO
    response_headers: list[tuple[str, str]]
    status: str | None
    code: int

    def __init__(self, sock: Any, address: Any, server: ConnectionOwner, slot: Slot) -> None:  # noqa: ANN401
        super().__init__(sock, address, server)
        self._slot = slot
        self._timeouts = server.timeouts
        self.deadline = time.monotonic() + self._timeouts.head_s
        self.expired = False
        self.idle = True
        self.next_priority_at = 0.0
        self._writing = False
        self._given_headers: dict[str, str] = {}

    def handle(self) -> None:
        """Serve requests until either side closes the connection or its socket is handed over."""
        self.server.connections.add(self)
        self._slot.evict = self.evict
        self._slot.end_request()
        try:
            if self.server.is_tls:
                self.socket.do_handshake()
            while self._serve_request():
                pass
        except OSError:
            pass  # the client is gone
        finally:
            self.server.connections.discard(self)
            self.rfile.close()  # while it is open, gevent keeps the connection open too
            if self.socket is not None:
                self.socket.close()

    def expire(self) -> None:
        """Shut down reads, so that a 408 can still be sent; also writes if one stalls."""
        self.expired = True
        self.deadline = _NEVER
        self._shutdown(socket.SHUT_RDWR if self._writing else socket.SHUT_RD)

    def evict(self) -> None:
        """Close an idle connection in favor of another; nothing more is sent on it."""
        self.expired = True
        self._shutdown(socket.SHUT_RDWR)

    def _shutdown(self, how: int) -> None:
        with contextlib.suppress(OSError):
            # gevent's own shutdown raises in the greenlet that waits for the socket
            self.socket._sock.shutdown(how)

    def _serve_request(self) -> bool:
        line = self._read_line()
        if not line:
            return False
        self.idle = False
        self.deadline = time.monotonic() + self._timeouts.head_s
        try:
            head = http1.read_head(line, self.rfile)
        except ApiError as error:
            self._refuse(HttpError(408) if self.expired else error, line)
            return False
        self._begin_request(head)
        self._slot.begin_request()
        if not self._has_priority():
            gevent.sleep(0)  # a client that sends without pause would starve the others
        self.handle_one_response()
        self._slot.end_request()
        self.idle = True
        self.deadline = time.monotonic() + self._timeouts.idle_s
        return not self.close_connection

    def _has_priority(self) -> bool:
        """Return whether this is a command or a health check, and the first one in the interval."""
        now, is_health_check = time.monotonic(), self.environ["PATH_INFO"] in _HEALTH_PATHS
        # commands are counted over all connections: each takes longer than to read a request
        counted: Connection | ConnectionOwner = self if is_health_check else self.server
        is_read = self.command in _READ_METHODS and not is_health_check
        if is_read or now < counted.next_priority_at:
            return False
        counted.next_priority_at = now + _PRIORITY_INTERVAL_S
        return True

    def _read_line(self) -> bytes:
        line = self.rfile.readline(http1.MAX_LINE_BYTES + 1)
        # some old clients end a body with an empty line that they do not count
        return self.rfile.readline(http1.MAX_LINE_BYTES + 1) if line == b"\r\n" else line

    def _begin_request(self, head: http1.Head) -> None:
        self.command, self.request_version = head.method, "HTTP/" + head.version
        self.close_connection = not head.keep_alive
        self.wsgi_input = http1.Body(self, head)
        has_body = head.chunked or head.content_length
        self.deadline = time.monotonic() + self._timeouts.body_s if has_body else _NEVER
        self.environ = self.server.get_environ()
        add_request(self.environ, head, self.wsgi_input, self.client_address[0])
        self.application = self.server.application

    def process_result(self) -> None:
        """Send the response, or only its head when the socket is handed to a stream's writer."""
        receiver = socket_receiver(self.environ) if self.code in (101, 200) else None
        if receiver is None:
            super().process_result()
        else:
            self._hand_over(receiver)

    def _hand_over(self, receiver: SocketReceiver) -> None:
        self.close_connection = True
        try:
            client = self.environ["REMOTE_ADDR"]  # a trusted proxy may have named another
            self._slot.hand_over(client, is_websocket=self.code == 101, is_tls=self.server.is_tls)
        except ApiError as error:
            refuse_handoff(receiver)
            self._refuse(error, f"{self.command} {self.environ['PATH_INFO']}".encode("latin-1"))
            return
        self.response_headers = [
            header for header in self.response_headers if header[0].lower() != "content-length"
        ]
        self._given_headers["content-length"] = ""  # none: the body ends with the connection
        self._write_with_headers(b"")
        bare = self.server.release(self.socket, self._slot)
        self.socket = None
        bare.setblocking(True)
        receiver(bare)

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[Any, BaseException, TracebackType] | None = None,
    ) -> Callable[[bytes], object]:
        """Store the response's status and headers; gevent's own encodes each header, slowly."""
        if exc_info and self.headers_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self.status, self.code = status, int(status[:3])
        self.response_headers = list(headers)
        self._given_headers = {name.lower(): value for name, value in headers}
        if self._given_headers.get("connection") == "close":
            self.close_connection = True
        write: Callable[[bytes], object] = self.write
        return write

    def finalize_headers(self) -> None:
        """Add the Date, framing and Connection headers that the application did not set."""
        given, headers = self._given_headers, self.response_headers
        self.close_connection = self.close_connection or self.server.stopping
        if "date" not in given:
            headers.append(("Date", http1.http_date(int(time.time()))))
        if self.code not in (101, 204, 304) and "content-length" not in given:
            if hasattr(self.result, "__len__"):
                headers.append(("Content-Length", str(sum(map(len, self.result)))))
            elif self.request_version != "HTTP/1.0":
                headers.append(("Transfer-Encoding", "chunked"))
                self.response_use_chunked = self.command != "HEAD"
        if self.close_connection and self.code != 101 and "connection" not in given:
            headers.append(("Connection", "close"))

    def _write_with_headers(self, data: bytes) -> None:
        """Send head and body in one write: a second would wait for the first's acknowledgement."""
        self.finalize_headers()
        head = http1.format_head(f"HTTP/1.1 {self.status}", self.response_headers)
        self.headers_sent = True
        if len(data) > _ONE_SEND_BYTES:
            self._sendall(head)
            self._write(data)
        elif data and self.response_use_chunked:
            self._sendall(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        else:
            self._sendall(head + data)

    def _sendall(self, data: bytes) -> None:
        reading_deadline = self.deadline
        self.deadline = time.monotonic() + self._timeouts.write_s
        self._writing = True
        sent = self.socket.send(data)
        if sent < len(data):
            self.socket.sendall(memoryview(data)[sent:])
        self.response_length += len(data)
        self._writing = False
        self.deadline = reading_deadline

    def _refuse(self, error: ApiError, request_line: bytes = b"") -> None:
        """Send an error response in place of the application's and close the connection."""
        self.close_connection = True
        if not self.server.count_refusal(error.status, self.client_address[0]):
            return
        response = refusal(error, request_line, self.client_address[0])
        self.headers_sent = True
        self._sendall(response)
        self._linger()

    def _linger(self) -> None:
        """Drain unread input before closing, which would else reset the connection."""
        self.idle = True
        self._slot.end_request()
        self.socket.shutdown(socket.SHUT_WR)
        self.deadline = time.monotonic() + self._timeouts.linger_s
        budget = 4 * MAX_BODY_BYTES
        while budget > 0 and (data := self.socket.recv(65536)):
            budget -= len(data)

    def _send_error_response_if_possible(self, error_code: int) -> None:
        self.close_connection = True
        if not self.headers_sent:
            self._refuse(MalformedRequest() if error_code == 400 else InternalError())

    def _handle_client_error(self, ex: Exception) -> None:
        """Log nothing: a client's malformed request is in the access log."""

    def _log_error(self, kind: type[BaseException], error: BaseException, trace: object) -> None:
        _log.error("answer failed", path=self.environ.get("PATH_INFO"), exc_info=error)

    def log_request(self) -> None:
        """Log nothing: the application writes the access log."""
