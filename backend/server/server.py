"""HTTP server: gevent's WSGI server on one port, with deadlines and graceful shutdown."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Group, Pool
from gevent.pywsgi import WSGIServer

from backend.server.connection import Connection
from backend.server.timeouts import Timeouts
from backend.server.tls import Certificates
from backend.server.tls_relay import relay, socket_pair

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_CONNECTIONS = 10_000
_BACKLOG = 1024
_GRACE_S = 10.0

_log = structlog.get_logger(__name__)


class Server(WSGIServer):  # type: ignore[misc]  # gevent is untyped
    """WSGI server of one application; `connections` holds the open ones."""

    handler_class = Connection

    def __init__(
        self,
        listener: socket.socket,
        application: WSGIApplication,
        timeouts: Timeouts | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        environ = {
            # without a name given, gevent asks the resolver for one
            "SERVER_NAME": listener.getsockname()[0],
            "SERVER_SOFTWARE": "octobot-backend",
            "wsgi.url_scheme": "http" if certificates is None else "https",
        }
        pool = Pool(MAX_CONNECTIONS)
        super().__init__(
            listener, application, spawn=pool, log=None, error_log=None, environ=environ
        )
        self.timeouts = timeouts or Timeouts()
        self.certificates = certificates
        self.connections: set[Connection] = set()
        self._relays = Group()
        self.stopping = False
        self.lag_s = 0.0
        self.next_priority_at = 0.0
        self.refused: Counter[int] = Counter()  # by status, before the application was called

    @property
    def is_tls(self) -> bool:
        """True if a connection begins with a TLS handshake."""
        return self.certificates is not None

    @property
    def open_connections(self) -> int:
        """Number of open connections; streams that were handed over are not counted."""
        return len(self.connections)

    def start(self) -> None:
        """Accept connections."""
        super().start()
        self._sweeper = gevent.spawn(self._sweep_forever)

    def stop(self, timeout: float | None = None) -> None:
        """Close idle connections at once, others after their request or `timeout` seconds."""
        self.stopping = True
        self._sweeper.kill()
        for connection in list(self.connections):
            if connection.idle:
                connection.expire()
        super().stop(timeout)

    def close_relays(self, timeout: float) -> None:
        """Flush the relays of handed-over TLS connections for up to `timeout` s; close them."""
        self._relays.join(timeout)
        self._relays.kill()

    def handle(self, sock: Any, address: Any) -> None:  # noqa: ANN401 - gevent's
        """Serve one connection; its TLS handshake counts towards the deadline of the first head."""
        try:
            wrapped = self.certificates.wrap(sock) if self.certificates else sock
        except OSError:  # gone already
            return
        super().handle(wrapped, address)

    def release(self, sock: Any) -> socket.socket:  # noqa: ANN401 - gevent's
        """Detach the connection from the hub; return a blocking socket for another thread."""
        if self.certificates is None:
            return socket.socket(fileno=sock.detach())
        inside, theirs = socket_pair()
        self._relays.spawn(relay, sock, inside, self.timeouts.write_s)
        return theirs

    def _sweep_forever(self) -> None:
        while True:
            due = time.monotonic() + self.timeouts.sweep_s
            gevent.sleep(self.timeouts.sweep_s)
            self.lag_s = max(0.0, time.monotonic() - due)
            if self.certificates is not None:
                self.certificates.reload_if_changed()
            self._sweep()

    def _sweep(self) -> None:
        # not in the loop, whose variable would keep the last connection alive while it sleeps
        now = time.monotonic()
        for connection in list(self.connections):
            if connection.deadline < now:
                connection.expire()


def listen(host: str, port: int) -> socket.socket:
    """Open the port; raises OSError if it is taken or not permitted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # connections inherit it; without it each response may wait 40 ms for an acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    return listener


def raise_open_files_limit() -> None:
    """Allow as many sockets as the system lets this process have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a limit that it refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve_until_signal(server: Server) -> None:
    """Serve until SIGINT or SIGTERM, then let requests finish; a second signal ends at once."""
    stop_requested = Event()

    def stop() -> None:
        if stop_requested.is_set():
            _log.warning("stopped at once")
            os._exit(1)
        stop_requested.set()

    watchers = [gevent.signal_handler(number, stop) for number in (signal.SIGINT, signal.SIGTERM)]
    server.start()
    try:
        stop_requested.wait()
        _log.info("stopping")
        server.stop(_GRACE_S)
    finally:
        for watcher in watchers:
            watcher.cancel()
