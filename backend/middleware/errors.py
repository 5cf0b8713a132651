"""Error handler: turns every exception (ours, Flask's, defects) into the contract's Problem."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
import structlog
from flask import Flask, Response, current_app, request
from flask.signals import got_request_exception
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as UnknownMethod

from backend.errors import (
    ApiError,
    BodyTooLarge,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    UnsupportedMediaType,
)
from backend.middleware.headers import Header, request_id
from backend.observability.logs import LONGEST_PATH
from backend.schemas.common import time_text, utc_now

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_BODY_BYTES = 1024 * 1024

_ERROR = "backend.error"
_OURS: dict[int | None, type[ApiError]] = {
    error.status: error
    for error in (MalformedRequest, NotFound, MethodNotAllowed, BodyTooLarge, UnsupportedMediaType)
}
# Python 3.13 renamed these; clients get the same name on every Python
_RENAMED = {414: "uri_too_long", 416: "range_not_satisfiable"}
_log = structlog.get_logger(__name__)


class HttpError(ApiError):
    """Any other error of the HTTP layer; its type is derived from the status code."""

    def __init__(self, status: int, details: str | None = None) -> None:
        self.status = status
        self.type = _RENAMED.get(status) or HTTPStatus(status).name.lower()
        super().__init__(details)


def problem(error: ApiError, answer_id: str) -> bytes:
    """Return the JSON body of an error."""
    content: dict[str, object] = {
        "success": False,
        "error": error.title,
        "code": error.status,
        "type": error.type,
    }
    if error.details is not None:
        content["details"] = error.details
    if error.fields:
        content["fields"] = [field._asdict() for field in error.fields]
    content.update(error.extensions)
    content["request_id"] = answer_id
    content["timestamp"] = time_text(utc_now())
    return orjson.dumps(content)


def problem_headers(error: ApiError) -> list[Header]:
    """Return the headers of an error."""
    headers = list(error.headers.items())
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    return headers


def response_error(environ: WSGIEnvironment) -> ApiError | None:
    """Return the error with which a request was answered, for audit and logs."""
    error: ApiError | None = environ.get(_ERROR)
    return error


def install_errors(app: Flask) -> None:
    """Turn every exception raised while the app serves a request into a Problem."""
    # one more: Werkzeug truncates a body without a length there, which makes the excess detectable
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1
    app.register_error_handler(ApiError, _answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_defect)


def _answer(error: ApiError) -> Response:
    request.environ["backend.error_type"] = error.type
    request.environ[_ERROR] = error
    return Response(
        problem(error, request_id(request.environ)),
        error.status,
        problem_headers(error),
        mimetype="application/json",
    )


def _answer_http(error: HTTPException) -> Response:
    ours = _OURS.get(error.code)
    answer = _answer(ours() if ours is not None else HttpError(error.code or 500))
    if isinstance(error, UnknownMethod) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def _answer_defect(error: Exception) -> Response:
    _log.error(
        "request failed",
        request_id=request_id(request.environ),
        method=request.method,
        path=request.path[:LONGEST_PATH],
        exc_info=error,
    )
    # Flask sends it for unhandled errors, and extensions that report defects listen to it
    got_request_exception.send(
        current_app._get_current_object(),  # type: ignore[attr-defined]
        _async_wrapper=current_app.ensure_sync,
        exception=error,
    )
    return _answer(InternalError("the server's log has more under this request id"))
