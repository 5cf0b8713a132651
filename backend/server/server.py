"""HTTP server: gevent's WSGI server on one port, with deadlines and graceful shutdown."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Group, Pool
from gevent.pywsgi import WSGIServer
from gevent.socket import socket as GeventSocket

from backend.server.admission import Admission, Slot
from backend.server.admission_limits import admission_limits, open_files_limit
from backend.server.connection import Connection
from backend.server.counted_socket import CountedSocket
from backend.server.refusal_limit import RefusalLimit
from backend.server.timeouts import Timeouts, expire_overdue
from backend.server.tls import Certificates
from backend.server.tls_relay import relay, socket_pair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIApplication

_BACKLOG = 1024
_GRACE_S = 10.0
_REFUSED_AT_ONCE = 16
_DROPPED_LOGGED_EVERY_S = 60.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_log = structlog.get_logger(__name__)


class Server(WSGIServer):  # type: ignore[misc]  # gevent is untyped
    """WSGI server of one application; `connections` holds the open ones."""

    def __init__(
        self,
        listener: socket.socket,
        application: WSGIApplication,
        timeouts: Timeouts | None = None,
        certificates: Certificates | None = None,
        admission: Admission | None = None,
    ) -> None:
        environ = {
            # without a name given, gevent asks the resolver for one
            "SERVER_NAME": listener.getsockname()[0],
            "SERVER_SOFTWARE": "octobot-backend",
            "wsgi.url_scheme": "http" if certificates is None else "https",
        }
        super().__init__(
            listener, application, spawn=Pool(), log=None, error_log=None, environ=environ
        )
        self.admission = admission or Admission(admission_limits(open_files_limit()))
        self._dropped_logged, self._next_dropped_log = 0, 0.0
        self.timeouts = timeouts or Timeouts()
        self.certificates = certificates
        self.connections: set[Connection] = set()
        self._relays = Group()
        self.stopping = False
        self.lag_s = 0.0
        self.next_priority_at = 0.0
        self._refusal_limit = RefusalLimit()
        self.refused: Counter[int] = Counter()  # by status, before the application was called

    @property
    def is_tls(self) -> bool:
        """True if a connection begins with a TLS handshake."""
        return self.certificates is not None

    @property
    def open_connections(self) -> int:
        """Number of open connections; streams that were handed over are not counted."""
        return len(self.connections)

    @property
    def all_connections(self) -> int:
        """The number of connections, including streams that were handed over."""
        return self.admission.total

    @property
    def max_connections(self) -> int:
        """The maximum number of connections, including streams."""
        return self.admission.limits.total

    @property
    def connections_dropped(self) -> Mapping[str, int]:
        """Connections that were refused or evicted, by reason."""
        return self.admission.dropped

    def count_refusal(self, status: int, address: str) -> bool:
        """Count a request refused before the application; return whether it is answered."""
        self.refused[status] += 1
        return self._refusal_limit.allows_answer(address)

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

    def do_read(self) -> tuple[Any, Any, Slot] | None:
        """Accept a connection that is admitted, and close those before it that are not."""
        for _ in range(_REFUSED_AT_ONCE):
            self.admission.settle()
            if self.admission.is_closing_many:
                return None  # who connects waits in the system's queue until these are closed
            try:
                sock, address = self.socket.accept()
            except BlockingIOError:
                return None
            slot = self.admission.admit(address[0])
            if slot is not None:
                kind = (sock.family, sock.type, sock.proto)
                return GeventSocket(*kind, fileno=sock.detach()), address, slot
            with sock, contextlib.suppress(OSError):
                # a reset leaves nothing of the connection in the system
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return None

    def do_close(self, sock: Any, address: Any, slot: Slot) -> None:  # noqa: ANN401 - gevent's
        """End a connection, unless it was handed over."""
        super().do_close(sock)
        if not slot.is_handed_over:
            slot.release()

    def handle(self, sock: Any, address: Any, slot: Slot) -> None:  # noqa: ANN401 - gevent's
        """Serve one connection; its TLS handshake counts towards the deadline of the first head."""
        try:
            wrapped = self.certificates.wrap(sock) if self.certificates else sock
        except OSError:  # gone already
            return
        Connection(wrapped, address, self, slot).handle()

    def release(self, sock: Any, slot: Slot) -> socket.socket:  # noqa: ANN401 - gevent's
        """Detach the connection from the hub; return a blocking socket for another thread.

        The connection is counted until that is closed.
        """
        slot.is_handed_over = True
        if self.certificates is None:
            plain = CountedSocket(fileno=sock.detach())
            plain.on_close = slot.release
            return plain
        inside, theirs = socket_pair()
        relaying = self._relays.spawn(relay, sock, inside, self.timeouts.write_s)
        relaying.link(lambda _: slot.release())
        return theirs

    def _sweep_forever(self) -> None:
        while True:
            due = time.monotonic() + self.timeouts.sweep_s
            gevent.sleep(self.timeouts.sweep_s)
            self.lag_s = max(0.0, time.monotonic() - due)
            if self.certificates is not None:
                self.certificates.reload_if_changed()
            expire_overdue(self.connections)
            self.admission.settle()
            self._log_dropped()

    def _log_dropped(self) -> None:
        """Log that connections are refused or evicted, at most once a minute."""
        dropped, now = dict(self.admission.dropped), time.monotonic()
        if sum(dropped.values()) > self._dropped_logged and now >= self._next_dropped_log:
            self._dropped_logged = sum(dropped.values())
            self._next_dropped_log = now + _DROPPED_LOGGED_EVERY_S
            _log.warning("connections dropped", **dropped)


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
    limits = server.admission.limits
    _log.info(
        "connections limited",
        total=limits.total,
        per_address=limits.per_address,
        open_files=limits.open_files,
    )
    server.start()
    try:
        stop_requested.wait()
        _log.info("stopping")
        server.stop(_GRACE_S)
    finally:
        for watcher in watchers:
            watcher.cancel()
