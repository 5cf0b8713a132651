"""The API's second door: a request of a socket's client, made inside of this process.

It passes through the whole application as any other does, so that validation,
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

_KEPT = ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "HTTP_HOST", "HTTP_USER_AGENT")


class ApiResponse(NamedTuple):
    """What the application answered, and to whom."""

    status: int
    headers: dict[str, str]
    body: bytes
    principal: Principal | None


class CallRefused(Exception):
    """The application refused; the answer says why."""

    def __init__(self, answer: ApiResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ApiCaller:
    """Asks the application in the name of whoever sits at the other end of a socket."""

    def __init__(self, application: WSGIApplication, handshake: WSGIEnvironment) -> None:
        self._application = application
        self._base = {name: handshake[name] for name in _KEPT if name in handshake}
        self._scheme = handshake["wsgi.url_scheme"]

    def ask(
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
            **_fixed(method, path, body, self._scheme),
            **(headers or {}),
            **({} if principal is None else environ_of_principal(principal)),
        }
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, answered: list[tuple[str, str]], _exc: object = None) -> object:
            told[:] = [(status, answered)]
            return None

        content = b"".join(self._application(environ, start))  # type: ignore[arg-type]
        status, answered = told[0]
        return ApiResponse(int(status[:3]), dict(answered), content, principal_of_environ(environ))


def _fixed(method: str, path: str, body: bytes, scheme: str) -> dict[str, object]:
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
