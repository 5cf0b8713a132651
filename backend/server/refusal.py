"""Error responses of the server itself, to requests that do not reach the application."""

from __future__ import annotations

from backend.errors import ApiError
from backend.middleware.access_log import access_log, log_access
from backend.middleware.headers import new_request_id
from backend.server import http1


def refusal(error: ApiError, request_line: bytes, client: str) -> bytes:
    """Return the whole response for an error, and write it to the access log."""
    request_id = new_request_id()
    method, _, target = request_line.decode("latin-1").partition(" ")
    log_access(
        access_log(),
        {
            "REQUEST_METHOD": method[:20],
            "PATH_INFO": target.partition("?")[0][:200].strip(),
            "REMOTE_ADDR": client,
            "backend.request_id": request_id,
            "backend.error_type": error.type,
        },
        error.status,
        0.0,
    )
    return http1.format_error(error, request_id)
