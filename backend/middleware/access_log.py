"""Access log: one line per request with user, path, status and duration."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import structlog
from structlog.typing import FilteringBoundLogger

from backend.middleware.headers import ExcInfo, Header, request_id
from backend.observability.logs import ACCESS, LONGEST_PATH
from backend.observability.masking import MASK, mask_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


_LONGEST_HEADER = 200
_HEADERS = (
    ("HTTP_AUTHORIZATION", "Authorization", True),
    ("HTTP_X_API_KEY", "X-API-Key", True),
    ("HTTP_COOKIE", "Cookie", True),
    ("HTTP_USER_AGENT", "User-Agent", False),
    ("HTTP_REFERER", "Referer", False),
    ("HTTP_ORIGIN", "Origin", False),
    ("HTTP_X_FORWARDED_FOR", "X-Forwarded-For", False),
)


def with_access_log(
    application: WSGIApplication,
    observe: Callable[[WSGIEnvironment, int, float], None] | None = None,
) -> WSGIApplication:
    """Wrap an application so that each response is logged, and counted, as it starts to be sent."""

    log = access_log().bind()  # once: finding the configuration anew costs as much as the line

    def logged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()

        def start(status: str, headers: list[Header], exc_info: ExcInfo | None = None) -> object:
            taken_s = time.perf_counter() - started
            log_access(log, environ, int(status[:3]), taken_s)
            if observe is not None:
                observe(environ, int(status[:3]), taken_s)
            return start_response(status, headers, exc_info)

        return application(environ, start)  # type: ignore[arg-type]

    return logged


def access_log() -> FilteringBoundLogger:
    """Return the access log's logger."""
    log: FilteringBoundLogger = structlog.get_logger(ACCESS)
    return log


def log_access(
    log: FilteringBoundLogger, environ: WSGIEnvironment, status: int, taken_s: float
) -> None:
    """Write the line; never the query string, which may hold a stream ticket."""
    headers = {
        name: MASK if secret else _header(environ[key])
        for key, name, secret in _HEADERS
        if key in environ
    }
    log.info(
        "request",
        method=environ["REQUEST_METHOD"],
        path=mask_text(environ["PATH_INFO"], LONGEST_PATH),
        status=status,
        error=environ.get("backend.error_type"),
        user=environ.get("backend.user"),
        address=environ.get("REMOTE_ADDR"),
        headers=headers,
        ms=round(taken_s * 1000, 2),
        request_id=request_id(environ),
    )


@functools.lru_cache(maxsize=1024)
def _header(value: str) -> str:
    return mask_text(value, _LONGEST_HEADER)
