"""How a socket's answers are spelled: HTTP's bodies, with the request's id and action before."""

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


class Head:
    """What every answer to one request begins with."""

    def __init__(self, request_id: object, action: object) -> None:
        self._start = orjson.dumps({"id": request_id, "action": action})[:-1]

    def relay(self, answer: ApiResponse) -> bytes:
        """Spell what the application answered."""
        retry_after = answer.headers.get("Retry-After")
        wait = b"" if retry_after is None else b',"retry_after":%b' % retry_after.encode()
        return self._spell(answer.status, wait, answer.body)

    def succeed(self, data: Model) -> bytes:
        """Spell data that the socket itself answers."""
        return self._spell(
            200, b"", Envelope[Model](data=data).model_dump_json(serialize_as_any=True).encode()
        )

    def fail(self, error: ApiError) -> bytes:
        """Spell an error of the socket itself."""
        wait = b"" if error.retry_after_s is None else b',"retry_after":%d' % error.retry_after_s
        return self._spell(error.status, wait, problem(error, new_request_id()))

    def _spell(self, status: int, more: bytes, body: bytes) -> bytes:
        return text_message(b'%b,"status":%d%b,%b' % (self._start, status, more, body[1:]))


def head_of(text: str) -> Head:
    """Read as much of a message that may be broken as an answer to it has to echo."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        return Head(None, None)
    request_id, action = found.get("id"), found.get("action")
    is_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    sane_id = is_id and len(str(request_id)) <= 64
    sane_action = isinstance(action, str) and len(action) <= 64
    return Head(request_id if sane_id else None, action if sane_action else None)


def read_request(text: str) -> SocketRequest:
    """Read a message; raises `MalformedRequest` or `ValidationFailed`."""
    try:
        body = text.encode()
    except UnicodeEncodeError:
        raise MalformedRequest("the message is not UTF-8") from None
    return read_model(SocketRequest, body)


def body_of(data: Mapping[str, object]) -> bytes:
    """Spell a request's data as a body again; whole numbers keep all their digits."""
    return json.dumps(data).encode()
