"""WSGI environ of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from backend.ports.socket_handoff import enable_socket_handoff
from backend.server.http1 import Body, Head

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def add_request(environ: WSGIEnvironment, head: Head, body: Body, client: str) -> None:
    """Add a request to the part of the environ that is the same for every request."""
    path, _, query = head.target.partition("?")
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    environ.update(head.headers)
    environ["REQUEST_METHOD"] = head.method
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = query
    environ["SERVER_PROTOCOL"] = "HTTP/" + head.version
    environ["REMOTE_ADDR"] = client
    environ["wsgi.input"] = body
    environ["wsgi.input_terminated"] = True
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if (value := environ.pop("HTTP_" + name, None)) is not None:
            environ[name] = value
    if head.method == "GET":
        enable_socket_handoff(environ)
