"""LiveHub: a hub behind a real server on a real port, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import gevent

from backend.concurrency.gevent_host import GeventHost
from backend.concurrency.host import ThreadHost
from backend.errors import ApiError
from backend.ports.events import Event
from backend.ports.socket_handoff import hand_over_socket
from backend.schemas.topics import Topic
from backend.server.server import Server, listen
from backend.server.tls import Certificates
from backend.streams import Hub, Selection, StreamOwner
from tests.streams.stream_client import WAIT_S, SseClient

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Transport = Literal["handed over", "greenlets", "threads"]
TRANSPORTS: tuple[Transport, ...] = ("handed over", "greenlets", "threads")


class LiveHub:
    """A hub, a server whose every path is a stream, and the clients that were opened on it.

    `topics` and `symbols` in the query choose, `user` names who asks and
    `life` for how many seconds their token is good; `revoked` users lose access.
    """

    def __init__(self, transport: Transport = "handed over", **settings: Any) -> None:
        self.revoked: set[str] = set()
        self._transport = transport
        self._certificates: Certificates | None = settings.pop("certificates", None)
        self._settings = {"capacity": 1000, **settings}
        self._clients: list[SseClient] = []
        self._started = threading.Event()
        self._is_told = False
        serve = self._serve_threads if transport == "threads" else self._serve_gevent
        self._thread = threading.Thread(target=serve)
        self._thread.start()
        assert self._started.wait(WAIT_S)

    def open(self, query: str = "topics=prices", **options: Any) -> SseClient:
        """Open a stream."""
        self._clients.append(SseClient(self.port, f"/?{query}", **options))
        return self._clients[-1]

    def publish(
        self, topic: Topic, key: str, value: int | None, *, symbol: str | None = None, pad: int = 0
    ) -> None:
        """Publish a value under a key; None takes the key out."""
        self.hub.publish(make_event(topic, key, value, symbol=symbol, pad=pad))

    def load(self, topic: Topic, values: dict[str, int]) -> None:
        """Replace a topic's values."""
        self.hub.replace_snapshot(
            topic, {key: (None, item(key, value)) for key, value in values.items()}
        )

    def close(self) -> None:
        """End the hub, the server and the clients."""
        self.stop_serving()
        self._thread.join(WAIT_S)
        for client in self._clients:
            client.close()

    def stop_serving(self) -> None:
        """Stop as a signal does; returns before it is done."""
        if not self._is_told:  # its hub ends soon after, and takes no more calls
            self._is_told = True
            self._tell_to_stop()

    def _serve_gevent(self) -> None:
        host = GeventHost()
        self.hub = Hub(host=host, **self._settings)
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        server = Server(listener, self._application, certificates=self._certificates)
        stop = gevent.event.Event()
        self._tell_to_stop = partial(host.call_on_hub, stop.set)
        server.start()
        self._started.set()
        stop.wait()
        if self._transport == "handed over":  # as in life; who iterates needs the hub's end first
            server.stop(2)
        self.hub.close()
        server.stop(2)
        server.close_relays(2)
        host.close()
        gevent.sleep(0.01)  # gevent closes sockets in its next turn
        gevent.get_hub().destroy(destroy_loop=True)

    def _serve_threads(self) -> None:
        self.hub = Hub(host=ThreadHost(), **self._settings)
        server = _ThreadingServer(("127.0.0.1", 0), _QuietHandler)
        server.set_app(self._application)
        self.port = server.server_port

        def stop() -> None:
            self.hub.close()
            server.shutdown()

        self._tell_to_stop = stop
        self._started.set()
        server.serve_forever(0.05)
        server.server_close()

    def _application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
        symbols = query.get("symbols")
        selection = Selection(
            tuple(query["topics"].split(",")),  # type: ignore[arg-type]  # topics come as text here
            None if symbols is None else frozenset(symbols.split(",")),
        )
        user = query.get("user", "somebody")
        owner = StreamOwner(
            user, time.time() + float(query.get("life", 3600)), lambda: user not in self.revoked
        )
        try:
            body = self.hub.open_stream(selection, owner, environ.get("HTTP_LAST_EVENT_ID"))
        except ApiError as error:
            start_response(f"{error.status} No", [("Content-Type", "text/plain")])
            return [error.type.encode()]
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        if environ["REQUEST_METHOD"] == "HEAD":
            return []  # as Flask does: the body is dropped, neither iterated nor closed
        if self._transport == "handed over" and hand_over_socket(environ, body.take_over):
            return []
        return body


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    request_queue_size = 128
    block_on_close = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


def make_event(
    topic: Topic, key: str, value: int | None, *, symbol: str | None = None, pad: int = 0
) -> Event:
    """Make an event whose data and item are `{"key": …, "value": …}`."""
    data = item(key, value, pad)
    name = "price_update" if topic == "prices" else f"{topic}_changed"
    return Event(topic, name, key, symbol, data, None if value is None else data)


def item(key: str, value: int | None, pad: int = 0) -> bytes:
    shown = "null" if value is None else value
    filler = f',"pad":"{"x" * pad}"' if pad else ""
    return f'{{"key":"{key}","value":{shown}{filler}}}'.encode()
