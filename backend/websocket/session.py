"""Session: one WebSocket from its handshake to its close."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from dataclasses import replace

import gevent
import structlog
from flask import Flask
from gevent.pool import Pool

from backend.errors import (
    ApiError,
    BotNotReady,
    FieldError,
    Forbidden,
    InternalError,
    NotAuthenticated,
    ValidationFailed,
)
from backend.identity import Principal
from backend.middleware.auth import check_access
from backend.middleware.rate_limit import check_rate
from backend.middleware.stream_access import (
    readable,
    require_symbols,
    require_topics,
    stream_owner,
)
from backend.openapi.validation import read_model
from backend.schemas.streams import DEFAULT_TOPICS, TOPICS
from backend.schemas.topics import Topic
from backend.schemas.websocket import (
    Credentials,
    Done,
    SocketQuery,
    SocketRequest,
    Subscribe,
    Subscription,
    Unsubscribe,
)
from backend.services import SocketAdmission, services
from backend.streams import Selection
from backend.streams.encodings import WEBSOCKET, close_message, pong_message
from backend.streams.subscriber import Subscriber, SubscriberFactory
from backend.streams.writers import SharedSocketWriter
from backend.websocket.api_caller import ApiCaller, CallRefused
from backend.websocket.messages import Reply, parse_request, reply_to, request_body
from backend.websocket.order_actions import call_order_action
from backend.websocket.reader import ConnectionClosing, MessageReader

AUTH_TIMEOUT_S = 5.0
MAX_CONCURRENT_REQUESTS = 8
_POLICY_VIOLATION, _INTERNAL_ERROR = 1008, 1011
_ME = "/api/v1/auth/me"
_log = structlog.get_logger(__name__)


class Session:
    """One WebSocket connection and the requests of its client.

    A greenlet of its own reads. The hub's thread writes, events and replies alike, once
    the client is authenticated. Requests about orders run concurrently, at most
    `MAX_CONCURRENT_REQUESTS` of them: replies are sent as they are ready, by their ids.
    """

    def __init__(
        self,
        app: Flask,
        limits: SocketAdmission,
        api: ApiCaller,
        query: SocketQuery,
        principal: Principal | None,
    ) -> None:
        """Acquire a slot; raises `StreamsFull`, and the errors of a stream's route."""
        self._app, self._limits, self._api, self._query = app, limits, api, query
        self._hub = services().hub
        self._selection = Selection((), None, WEBSOCKET)
        self._principal = principal
        self._subscriber: Subscriber | None = None
        self._requests = Pool(MAX_CONCURRENT_REQUESTS)
        with contextlib.ExitStack() as slots:
            slots.callback(limits.acquire().release)
            self._unauthenticated_slot = contextlib.ExitStack()  # closed on authentication
            self._new_subscriber = None
            if principal is None:
                release = limits.acquire_unauthenticated().release
                self._unauthenticated_slot.callback(release)
            else:
                self._new_subscriber = self._reserve_stream(principal)
            self._slots = slots.pop_all()

    def take_over(self, sock: socket.socket) -> None:
        """Start on a connection whose handshake response has been sent."""
        try:
            self._writer: SharedSocketWriter = self._hub.shared_writer(sock)
        except OSError:  # gone already
            sock.close()
            self._release_slots()
            return
        self._reader = MessageReader(sock, lambda payload: self._send(pong_message(payload)))
        self._auth_deadline = time.monotonic() + AUTH_TIMEOUT_S
        if self._new_subscriber is not None:
            self._attach(self._new_subscriber)
        gevent.spawn(self._run)

    def _run(self) -> None:
        close_frame: bytes | None = None
        try:
            for text in self._reader.messages(self._check):
                with self._app.app_context():
                    self._handle_message(text)
        except ConnectionClosing as closing:
            close_frame = closing.frame
        except Exception:  # a defect closes this socket, and the client receives the code
            _log.exception("websocket failed")
            close_frame = close_message(_INTERNAL_ERROR)
        self._close(close_frame)

    def _check(self) -> None:
        if self._subscriber is None:
            if time.monotonic() > self._auth_deadline:
                self._send(Reply(None, "auth").error(NotAuthenticated("no auth came in time")))
                raise ConnectionClosing(close_message(_POLICY_VIOLATION))
        elif self._writer.is_closed:
            raise ConnectionClosing(None)

    def _close(self, frame: bytes | None) -> None:
        """Close the connection after a last frame, and release its slots."""
        if self._subscriber is None:
            with contextlib.suppress(OSError):
                self._reader.send(frame or b"")
            self._writer.close()
        elif frame is None:
            self._hub.detach(self._subscriber)
        else:
            self._hub.close_after(self._subscriber, frame)
        self._reader.drain()
        self._reader.close()
        self._release_slots()

    def _release_slots(self) -> None:
        self._unauthenticated_slot.close()
        self._slots.close()

    def _send(self, frame: bytes) -> None:
        if self._subscriber is not None:
            self._hub.send_control(self._subscriber, frame)
            return
        try:
            self._reader.send(frame)
        except OSError:
            raise ConnectionClosing(None) from None

    def _handle_message(self, text: str) -> None:
        reply = reply_to(text)
        try:
            request = parse_request(text)
            if self._principal is None and request.action != "auth":
                raise NotAuthenticated("say who you are first: auth")
            self._dispatch(request, reply)
        except CallRefused as refused:
            self._send_error(reply.response(refused.response))
        except ApiError as error:
            self._send_error(reply.error(error))

    def _send_error(self, frame: bytes) -> None:
        self._send(frame)
        if self._subscriber is None:
            raise ConnectionClosing(close_message(_POLICY_VIOLATION))

    def _dispatch(self, request: SocketRequest, reply: Reply) -> None:
        if request.action == "auth":
            self._authenticate(request, reply)
        elif request.action == "ping":
            self._send(reply.success(Done()))
        elif request.action == "subscribe":
            self._subscribe(read_model(Subscribe, request_body(request.data)), reply)
        elif request.action == "unsubscribe":
            self._unsubscribe(read_model(Unsubscribe, request_body(request.data)), reply)
        elif self._limits.closing:
            raise BotNotReady("the server is stopping", retry_after_s=5)
        else:
            self._requests.spawn(self._call_order_action, request, reply)  # waits for a free slot

    def _call_order_action(self, request: SocketRequest, reply: Reply) -> None:
        try:
            self._send(reply.response(call_order_action(self._api, request, self._principal)))
        except ApiError as error:
            self._send(reply.error(error))
        except Exception:  # a defect fails this request, and the socket stays open
            _log.exception("websocket request failed", action=request.action)
            self._send(reply.error(InternalError()))

    def _authenticate(self, request: SocketRequest, reply: Reply) -> None:
        """Authenticate the client, or renew its access by a new token of the same user."""
        principal = self._identify(read_model(Credentials, request_body(request.data)))
        check_access(principal, "stream:read")
        if self._principal is None:
            new_subscriber = self._reserve_stream(principal)
            self._send(reply.success(_subscription(self._selection)))
            self._attach(new_subscriber)
        elif self._subscriber is None or principal.user_id != self._principal.user_id:
            raise Forbidden("the socket is another user's")
        else:
            require_topics(self._selection.topics, principal)
            self._hub.renew_access(self._subscriber, stream_owner(principal))
            self._send(reply.success(_subscription(self._selection)))
        self._principal = principal

    def _identify(self, given: Credentials) -> Principal:
        known = None if given.ticket is None else services().tickets.redeem(given.ticket)
        headers = {} if given.token is None else {"HTTP_AUTHORIZATION": f"Bearer {given.token}"}
        if given.api_key is not None:
            headers = {"HTTP_X_API_KEY": given.api_key}
        response = self._api.request("GET", _ME, principal=known, headers=headers)
        if response.status != 200 or response.principal is None:
            raise CallRefused(response)
        return response.principal

    def _reserve_stream(self, principal: Principal) -> SubscriberFactory:
        query = self._query
        topics = require_topics(query.chosen_topics() or (), principal)
        symbols = require_symbols(query.chosen_symbols())
        self._selection = Selection(topics, symbols, WEBSOCKET, query.chosen_intervals())
        return self._hub.reserve(self._selection, stream_owner(principal), query.after)

    def _attach(self, new_subscriber: SubscriberFactory) -> None:
        self._subscriber = new_subscriber(self._writer)
        self._hub.attach(self._subscriber)
        self._unauthenticated_slot.close()

    def _subscribe(self, wanted: Subscribe, reply: Reply) -> None:
        if wanted.after is not None and self._selection.topics:
            message = "only while nothing is subscribed"
            raise ValidationFailed(fields=[FieldError("after", message)])
        principal = self._rate_limited_principal()
        more = readable(DEFAULT_TOPICS, principal) if wanted.topics is None else wanted.topics
        topics = require_topics(_in_order({*self._selection.topics, *more}), principal)
        selection = replace(self._selection, topics=topics)
        if "symbols" in wanted.model_fields_set:
            selection = replace(selection, symbols=require_symbols(_set_of(wanted.symbols)))
        if "intervals" in wanted.model_fields_set:
            selection = replace(selection, intervals=_set_of(wanted.intervals))
        self._change_selection(selection, wanted.after, reply)

    def _unsubscribe(self, unwanted: Unsubscribe, reply: Reply) -> None:
        self._rate_limited_principal()
        removed = set(self._selection.topics if unwanted.topics is None else unwanted.topics)
        topics = _in_order(set(self._selection.topics) - removed)
        self._change_selection(replace(self._selection, topics=topics), None, reply)

    def _change_selection(self, selection: Selection, after: str | None, reply: Reply) -> None:
        assert self._subscriber is not None  # noqa: S101 - authenticated before any subscribe
        frame = reply.success(_subscription(selection))
        self._hub.change_selection(self._subscriber, selection, after, frame)
        self._selection = selection

    def _rate_limited_principal(self) -> Principal:
        """Return the principal, counting the request against the budget of the stream routes."""
        assert self._principal is not None  # noqa: S101 - authenticated before any subscribe
        check_rate("query", self._principal.user_id)
        return self._principal


def _in_order(topics: set[Topic]) -> tuple[Topic, ...]:
    return tuple(topic for topic in TOPICS if topic in topics)


def _subscription(selection: Selection) -> Subscription:
    symbols = None if selection.symbols is None else sorted(selection.symbols)
    intervals = None if selection.intervals is None else sorted(selection.intervals)
    return Subscription(topics=list(selection.topics), symbols=symbols, intervals=intervals)


def _set_of(values: Sequence[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
