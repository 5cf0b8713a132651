"""ApiCaller: in-process WSGI requests to the API, for the actions of a WebSocket.

A request passes through the whole application like any other, so that validation,
scopes, limits, idempotency, audit and errors are those of HTTP, not a copy.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, NamedTuple

from backend.identity import Principal
from backend.middleware.auth import environ_of_principal, principal_of_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_FROM_HANDSHAKE = ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "HTTP_HOST", "HTTP_USER_AGENT")


class ApiResponse(NamedTuple):
    """Response of the application, and the principal that it authenticated."""

    status: int
    headers: dict[str, str]
    body: bytes
    principal: Principal | None


class CallRefused(Exception):
    """The application refused a request; `response` is the error that it returned."""

    def __init__(self, response: ApiResponse) -> None:
        super().__init__(response.status)
        self.response = response


class ApiCaller:
    """Calls the application on behalf of a WebSocket's client."""

    def __init__(self, application: WSGIApplication, handshake: WSGIEnvironment) -> None:
        self._application = application
        self._base = {name: handshake[name] for name in _FROM_HANDSHAKE if name in handshake}
        self._scheme = handshake["wsgi.url_scheme"]

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        principal: Principal | None = None,
        headers: dict[str, str] | None = None,
    ) -> ApiResponse:
        """Make one request; `headers` are under their WSGI names."""
        environ: WSGIEnvironment = {
            **self._base,
            **_request_environ(method, path, body, self._scheme),
            **(headers or {}),
            **({} if principal is None else environ_of_principal(principal)),
        }
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc: object = None
        ) -> object:
            started[:] = [(status, headers)]
            return None

        content = b"".join(self._application(environ, start_response))  # type: ignore[arg-type]
        status, response_headers = started[0]
        principal = principal_of_environ(environ)
        return ApiResponse(int(status[:3]), dict(response_headers), content, principal)


def _request_environ(method: str, path: str, body: bytes, scheme: str) -> dict[str, object]:
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        **({"CONTENT_TYPE": "application/json"} if body else {}),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
