"""Models of WebSocket messages: client requests and replies about subscriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from backend.schemas.common import Model, RequestModel, Symbol
from backend.schemas.markets import Interval
from backend.schemas.streams import StreamQuery
from backend.schemas.topics import Topic

Action = Literal[
    "auth", "ping", "subscribe", "unsubscribe", "order.create", "order.cancel", "order.edit"
]
_SECRETS = frozenset({"token", "access_token", "jwt", "authorization", "api_key", "password"})
RequestId = Annotated[str, Field(max_length=64)] | Annotated[int, Field(ge=0, lt=2**53)]
OrderId = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f\x7f]{1,128}$")]


class SocketQuery(StreamQuery):
    """Query parameters of a WebSocket; without topics it carries none until it subscribes."""

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, given: object) -> object:
        for name in _SECRETS.intersection(given if isinstance(given, dict) else ()):
            raise ValueError(f"{name}: no token in an address, where logs would keep it")
        return given

    @model_validator(mode="after")
    def _after_what(self) -> SocketQuery:
        if self.after is not None and self.topics is None:
            raise ValueError("after: takes topics")
        return self


class SocketRequest(RequestModel):
    """One message of a client; `id` is echoed in the reply."""

    action: Action
    id: RequestId | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict)
    idempotency_key: str | None = Field(None, max_length=200)


class Credentials(RequestModel):
    """Credentials of a socket's client, exactly one of these."""

    token: str | None = Field(None, max_length=4096)
    ticket: str | None = Field(None, max_length=100)
    api_key: str | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _one(self) -> Credentials:
        if [self.token, self.ticket, self.api_key].count(None) != 2:
            raise ValueError("token: one of token, ticket and api_key is required")
        return self


class Subscribe(RequestModel):
    """Topics to add; symbols and intervals, if given, replace the earlier ones, null for all."""

    topics: list[Topic] | None = Field(None, max_length=20)
    symbols: list[Symbol] | None = Field(None, min_length=1, max_length=500)
    intervals: list[Interval] | None = Field(None, min_length=1, max_length=20)
    after: str | None = Field(None, max_length=50)


class Unsubscribe(RequestModel):
    """Topics to remove; all of them if left out."""

    topics: list[Topic] | None = Field(None, max_length=20)


class Subscription(Model):
    """A socket's present subscription."""

    topics: list[Topic]
    symbols: list[str] | None
    intervals: list[str] | None


class OrderReference(RequestModel):
    """Reference to one order."""

    order_id: OrderId


class Done(Model):
    """Empty reply data."""
