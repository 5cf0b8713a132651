"""Validation of requests and responses: spectree with this project's rules.

`@api.validate` reads a view's `query` and `json` parameters from its signature, refuses invalid
input with our errors (spectree's own echo the input, read broken JSON as `{}` and let form bodies
through), and turns the returned model into the response without validating it a second time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import parse_qs

from flask import Request, Response, make_response
from pydantic import BaseModel, ValidationError
from spectree import SecurityScheme, SpecTree
from spectree.models import InType, SecureType, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from backend import __version__
from backend.errors import (
    BodyTooLarge,
    FieldError,
    UnsupportedMediaType,
    ValidationFailed,
)
from backend.middleware.audit import set_audit_body
from backend.middleware.errors import MAX_BODY_BYTES
from backend.middleware.headers import add_answer_headers
from backend.middleware.request_context import current_request
from backend.openapi.json_body import read_json, shown_name
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V", bound=Callable[..., object])

MOST_FIELDS_NAMED = 20
QUERIES_REMEMBERED = 512
_LONGEST_IF_NONE_MATCH = 2048
_LONGEST_CONTENT_TYPE = 200
_JSON = "application/json"
_DESCRIPTION = """\
Runs an OctoBot and serves it: portfolio, orders, trades, markets, configuration and live events.

Amounts are decimal strings, times RFC 3339 in UTC. Symbols are `BTC/USDT` in bodies and
`BTC-USDT` in paths; both are taken everywhere. `/api/<rest>` is the same as `/api/v1/<rest>`.
Every answer bears `X-Request-ID`, which names it in the server's log."""


class JsonResponse(Response):
    """Response of encoded bytes; Werkzeug's own class costs more because it supports more."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the bytes, or the head alone."""
        if self.status_code not in (200, 201):  # may have no body
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return () if environ["REQUEST_METHOD"] == "HEAD" else cast(list[bytes], self.response)


class JsonPlugin(FlaskPlugin):
    """spectree's Flask plugin with our reading of requests and writing of responses."""

    def get_func_operation_id(self, func: Callable[..., object], path: str, method: str) -> str:
        """Name an operation after its view."""
        return func.__name__

    def validate(
        self,
        func: Callable[..., object],
        query: type[BaseModel] | None,
        json: type[BaseModel] | None,
        *_unused: object,
        **kwargs: object,
    ) -> Response:
        """Call the view with the validated request and return its result as a response."""
        incoming = current_request()
        if query is not None:
            kwargs["query"] = _read_query(query, incoming.environ.get("QUERY_STRING", ""))
        elif incoming.query_string:
            _refuse_query(incoming)
        if json is not None:
            kwargs["json"] = _read_json(json, incoming)
        return _answer(func(**kwargs), incoming.environ)


def also_produces(*media_types: str) -> Callable[[V], V]:
    """Declare in the contract that a view may respond with other media types than JSON."""

    def decorate(view: V) -> V:
        view.other_media_types = media_types  # type: ignore[attr-defined]
        return view

    return decorate


@functools.lru_cache(QUERIES_REMEMBERED)
def _read_query(model: type[M], query_string: str) -> M:
    """Read a query; the same text returns the same, immutable model again."""
    found: dict[str, list[str]] = parse_qs(query_string, keep_blank_values=True)
    values = {name: given[0] if len(given) == 1 else given for name, given in found.items()}
    return _validated(lambda: model.model_validate(values))


def _refuse_query(incoming: Request) -> None:
    fields = [
        FieldError(shown_name(name), "is not a parameter of this route") for name in incoming.args
    ]
    raise ValidationFailed(
        "this route takes no query parameters", fields=fields[:MOST_FIELDS_NAMED]
    )


def _read_json(model: type[M], incoming: Request) -> M:
    body = incoming.get_data(cache=False)
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"a body has at most {MAX_BODY_BYTES} bytes")
    if not _is_json(incoming) and (body or incoming.content_type):
        raise UnsupportedMediaType("the body must be application/json")
    read_json(body or b"{}")
    read = _validated(lambda: model.model_validate_json(body or b"{}", strict=True))
    set_audit_body(incoming.environ, body)  # not before: an unknown field may hold a secret
    return read


def read_model(model: type[M], text: bytes) -> M:
    """Validate JSON outside of a request; raises `MalformedRequest` or `ValidationFailed`."""
    read_json(text)
    return _validated(lambda: model.model_validate_json(text, strict=True))


def _is_json(incoming: Request) -> bool:
    return len(incoming.content_type or "") <= _LONGEST_CONTENT_TYPE and incoming.is_json


def _validated(validate: Callable[[], M]) -> M:
    try:
        return validate()
    except ValidationError as error:
        raise ValidationFailed(fields=_fields(error)) from None


def _fields(error: ValidationError) -> list[FieldError]:
    """Name each refused field; never repeats the client's input, which may be a password."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_field(item["loc"], item["msg"]) for item in found[:MOST_FIELDS_NAMED]]


def _field(location: tuple[str | int, ...], message: str) -> FieldError:
    message = message.removeprefix("Value error, ")
    if not location:
        # a rule about several fields names the one to change: "price: is required for ..."
        name, colon, rest = message.partition(": ")
        return FieldError(name, rest) if colon else FieldError("body", message)
    return FieldError(shown_name(".".join(map(str, location))), message)


def _answer(result: object, environ: WSGIEnvironment) -> Response:
    if isinstance(result, SerializedResponse):
        return _prepared_answer(result, environ)
    body, *rest = result if isinstance(result, tuple) else (result,)
    if not isinstance(body, BaseModel):
        return make_response(body, *rest)
    response = JsonResponse(body.__pydantic_serializer__.to_json(body), content_type=_JSON)
    return make_response(response, *rest) if rest else response


def _prepared_answer(prepared: SerializedResponse, environ: WSGIEnvironment) -> Response:
    add_answer_headers(environ, ("ETag", prepared.etag))
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known is not None and _names(known, prepared.etag):
        return Response(status=304)
    return JsonResponse(prepared.body, content_type=_JSON)


def _names(known: str, etag: str) -> bool:
    """Return whether an If-None-Match header names a response.

    Werkzeug's `parse_etags` takes time that grows with the square of the header's spaces.
    """
    if known == etag:
        return True
    tags = [tag.strip() for tag in known[:_LONGEST_IF_NONE_MATCH].split(",")]
    wanted = etag.strip('"')
    return "*" in tags or any(_opaque(tag) == wanted for tag in tags)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/").removeprefix("w/").strip('"')


def _component_name(model: type[BaseModel]) -> str:
    """Name `Envelope[list[Order]]` OrderListEnvelope, `Page[Order]` OrderPage."""
    words = re.findall(r"\w+", model.__name__)
    return "".join(word[:1].upper() + word[1:] for word in reversed(words))


def _nested_name(_parent: str, child: str) -> str:
    return child


api = SpecTree(
    backend=JsonPlugin,
    mode="strict",
    title="OctoBot backend",
    description=_DESCRIPTION,
    version=__version__,
    validation_error_status=400,
    validation_error_model=Problem,
    naming_strategy=_component_name,
    nested_naming_strategy=_nested_name,
    security_schemes=[
        SecurityScheme(
            name="bearer",
            data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer", bearer_format="JWT"),
        ),
        SecurityScheme(
            name="api_key",
            data=SecuritySchemeData(
                type=SecureType.API_KEY, name="X-API-Key", field_in=InType.HEADER
            ),
        ),
        SecurityScheme(
            name="ticket",
            data=SecuritySchemeData(type=SecureType.API_KEY, name="ticket", field_in=InType.QUERY),
        ),
    ],
    security={"bearer": []},
)
