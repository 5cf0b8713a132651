"""Headers of every response: request id, security headers, caching, rate limit headers.

This is the outermost layer, plain WSGI, so that errors of the layers below are covered
too and nothing is built anew for each request.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from backend.middleware.request_context import current_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

P = ParamSpec("P")
T = TypeVar("T")
Header = tuple[str, str]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_ID_KEY = "backend.request_id"
_ADDED_KEY = "backend.answer_headers"
_RATE_KEY = "backend.rate_headers"
_CACHE_KEY = "backend.cache_control"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_random = random.Random()  # noqa: S311 - ids are no secrets, and asking the system costs 70 µs

_POLICY = "Content-Security-Policy"
SECURITY_HEADERS: tuple[Header, ...] = (
    (_POLICY, "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
# a portfolio or a token must neither be shared nor lie on a disk; clients that keep an answer in
# memory still get 304 for its ETag
NOT_STORED = "no-store"
_HTTPS_ONLY = ("Strict-Transport-Security", "max-age=31536000")


def new_request_id() -> str:
    """Generate an id for a request that came without one."""
    return f"{_random.getrandbits(96):024x}"


def request_id(environ: WSGIEnvironment) -> str:
    """Return the request's id, which its response, errors and log lines contain."""
    return str(environ[_ID_KEY])


def add_answer_headers(environ: WSGIEnvironment, *headers: Header) -> None:
    """Add headers to this request's response, whether it succeeds or fails."""
    environ[_ADDED_KEY].extend(headers)


def set_content_policy(environ: WSGIEnvironment, policy: str) -> None:
    """Set the Content-Security-Policy of this request's response, which is a page."""
    added = environ[_ADDED_KEY]
    added[:] = [header for header in added if header[0] != _POLICY] + [(_POLICY, policy)]


def set_cache_control(environ: WSGIEnvironment, directives: str) -> None:
    """Set the Cache-Control of this request's response, which is `no-store` without."""
    environ[_CACHE_KEY] = directives


def storable_by_caller(view: Callable[P, T]) -> Callable[P, T]:
    """Let a browser store a view's responses, and ask whether they changed before each use.

    For data that is the same for everyone and public elsewhere.
    """

    @wraps(view)
    def storable_view(*args: P.args, **kwargs: P.kwargs) -> T:
        set_cache_control(current_request().environ, "private, no-cache")
        return view(*args, **kwargs)

    return storable_view


def set_rate_headers(environ: WSGIEnvironment, *headers: Header) -> None:
    """Set the response's rate-limit headers, replacing earlier ones."""
    environ[_RATE_KEY] = headers


def with_answer_headers(
    application: WSGIApplication, *, production: bool = False
) -> WSGIApplication:
    """Wrap an application so that all its responses have the headers of this layer.

    In production, responses over HTTPS carry Strict-Transport-Security.
    """

    def stamped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        environ[_ID_KEY] = sent if _SANE_ID.fullmatch(sent) else new_request_id()
        added = environ[_ADDED_KEY] = [("X-Request-ID", environ[_ID_KEY]), *SECURITY_HEADERS]
        environ[_CACHE_KEY] = NOT_STORED
        if production and environ["wsgi.url_scheme"] == "https":
            added.append(_HTTPS_ONLY)

        def start(status: str, headers: list[Header], exc_info: ExcInfo | None = None) -> object:
            rate = environ.get(_RATE_KEY, ())
            cache = ("Cache-Control", environ[_CACHE_KEY])
            return start_response(status, [*headers, *added, cache, *rate], exc_info)

        return application(environ, start)  # type: ignore[arg-type]

    return stamped
