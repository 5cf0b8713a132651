"""WebSocket messages: parsing of requests, and replies with HTTP's bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping

import orjson

from backend.errors import ApiError, MalformedRequest
from backend.middleware.errors import problem
from backend.middleware.headers import new_request_id
from backend.openapi.validation import read_model
from backend.schemas.common import Envelope, Model
from backend.schemas.websocket import SocketRequest
from backend.streams.encodings import text_message
from backend.websocket.api_caller import ApiResponse

_MAX_ECHO_LENGTH = 64


class Reply:
    """Builder of the reply to one request, which echoes the request's id and action."""

    def __init__(self, request_id: object, action: object) -> None:
        self._start = orjson.dumps({"id": request_id, "action": action})[:-1]

    def response(self, response: ApiResponse) -> bytes:
        """Build the reply that contains a response of the API."""
        retry_after = response.headers.get("Retry-After")
        wait = b"" if retry_after is None else b',"retry_after":%b' % retry_after.encode()
        return self._message(response.status, wait, response.body)

    def success(self, data: Model) -> bytes:
        """Build the reply to a request that the session handles itself."""
        body = Envelope[Model](data=data).model_dump_json(serialize_as_any=True).encode()
        return self._message(200, b"", body)

    def error(self, error: ApiError) -> bytes:
        """Build the reply for an error."""
        wait = b"" if error.retry_after_s is None else b',"retry_after":%d' % error.retry_after_s
        return self._message(error.status, wait, problem(error, new_request_id()))

    def _message(self, status: int, more: bytes, body: bytes) -> bytes:
        return text_message(b'%b,"status":%d%b,%b' % (self._start, status, more, body[1:]))


def reply_to(text: str) -> Reply:
    """Return the reply builder for a message, which may be malformed."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        return Reply(None, None)
    request_id, action = found.get("id"), found.get("action")
    is_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    echo_id = is_id and len(str(request_id)) <= _MAX_ECHO_LENGTH
    echo_action = isinstance(action, str) and len(action) <= _MAX_ECHO_LENGTH
    return Reply(request_id if echo_id else None, action if echo_action else None)


def parse_request(text: str) -> SocketRequest:
    """Parse a message; raises `MalformedRequest` or `ValidationFailed`."""
    try:
        body = text.encode()
    except UnicodeEncodeError:
        raise MalformedRequest("the message is not UTF-8") from None
    return read_model(SocketRequest, body)


def request_body(data: Mapping[str, object]) -> bytes:
    """Encode a request's data as an HTTP body; integers keep all their digits."""
    return json.dumps(data).encode()
