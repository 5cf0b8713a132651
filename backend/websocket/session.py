"""One WebSocket from its handshake to its end: what its client says, and what is done about it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
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
    holder,
    readable,
    require_symbols,
    require_topics,
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
from backend.streams.subscriber import Subscriber
from backend.streams.writers import SharedSocketWriter, StreamWriter
from backend.websocket.api_caller import ApiCaller, CallRefused
from backend.websocket.messages import Head, body_of, head_of, read_request
from backend.websocket.order_actions import ask_about_order
from backend.websocket.reader import Closing, MessageReader

AUTHENTICATE_WITHIN_S = 5.0
MOST_IN_WORK = 8
_POLICY_VIOLATION, _DEFECT = 1008, 1011
_ME = "/api/v1/auth/me"
_log = structlog.get_logger(__name__)


class Session:
    """A socket and its client.

    A greenlet of its own reads; the hub's thread writes, events and answers alike,
    as soon as the client is known. Requests about orders are worked on at the same
    time, `MOST_IN_WORK` of them: answers come as they are ready, by their ids.
    """

    def __init__(
        self,
        app: Flask,
        sockets: SocketAdmission,
        door: ApiCaller,
        query: SocketQuery,
        principal: Principal | None,
    ) -> None:
        """Take a place; raises what a stream's route raises, and `StreamsFull` at the bounds."""
        self._app, self._sockets, self._door, self._query = app, sockets, door, query
        self._hub = services().hub
        self._selection = Selection((), None, WEBSOCKET)
        self._principal = principal
        self._client: Subscriber | None = None
        self._work = Pool(MOST_IN_WORK)
        with contextlib.ExitStack() as places:
            places.callback(sockets.admit().release)
            self._known = contextlib.ExitStack()  # closes as soon as the client is known
            self._new_client = None
            if principal is None:
                self._known.callback(sockets.admit_stranger().release)
            else:
                self._new_client = self._seat(principal)
            self._places = places.pop_all()

    def take_over(self, sock: socket.socket) -> None:
        """Begin on a connection whose handshake has been answered."""
        try:
            self._outlet: SharedSocketWriter = self._hub.shared_writer(sock)
        except OSError:  # gone already
            sock.close()
            self._leave()
            return
        self._wire = MessageReader(sock, lambda payload: self._say(pong_message(payload)))
        self._deadline = time.monotonic() + AUTHENTICATE_WITHIN_S
        if self._new_client is not None:
            self._enter(self._new_client)
        gevent.spawn(self._run)

    # ---- its life

    def _run(self) -> None:
        frame: bytes | None = None
        try:
            for text in self._wire.messages(self._check):
                with self._app.app_context():
                    self._hear(text)
        except Closing as closing:
            frame = closing.frame
        except Exception:  # a defect ends this socket, and the client is told
            _log.exception("socket failed")
            frame = close_message(_DEFECT)
        self._part(frame)

    def _check(self) -> None:
        if self._client is None:
            if time.monotonic() > self._deadline:
                self._say(Head(None, "auth").fail(NotAuthenticated("no auth came in time")))
                raise Closing(close_message(_POLICY_VIOLATION))
        elif self._outlet.is_closed:
            raise Closing(None)

    def _part(self, frame: bytes | None) -> None:
        """End the connection after a last frame, and give back all that it took."""
        if self._client is None:
            with contextlib.suppress(OSError):
                self._wire.send(frame or b"")
            self._outlet.close()
        elif frame is None:
            self._hub.detach(self._client)
        else:
            self._hub.close_after(self._client, frame)
        self._wire.drain()
        self._wire.close()
        self._leave()

    def _leave(self) -> None:
        self._known.close()
        self._places.close()

    def _say(self, frame: bytes) -> None:
        if self._client is not None:
            self._hub.send_control(self._client, frame)
            return
        try:
            self._wire.send(frame)
        except OSError:
            raise Closing(None) from None

    # ---- what its client says

    def _hear(self, text: str) -> None:
        head = head_of(text)
        try:
            request = read_request(text)
            if self._principal is None and request.action != "auth":
                raise NotAuthenticated("say who you are first: auth")
            self._act(head, request)
        except CallRefused as refused:
            self._refuse(head.relay(refused.answer))
        except ApiError as error:
            self._refuse(head.fail(error))

    def _refuse(self, frame: bytes) -> None:
        self._say(frame)
        if self._client is None:
            raise Closing(close_message(_POLICY_VIOLATION))

    def _act(self, head: Head, request: SocketRequest) -> None:
        if request.action == "auth":
            self._authenticate(head, request)
        elif request.action == "ping":
            self._say(head.succeed(Done()))
        elif request.action == "subscribe":
            self._subscribe(head, read_model(Subscribe, body_of(request.data)))
        elif request.action == "unsubscribe":
            self._unsubscribe(head, read_model(Unsubscribe, body_of(request.data)))
        elif self._sockets.closing:
            raise BotNotReady("the server is stopping", retry_after_s=5)
        else:
            self._work.spawn(self._trade, head, request)  # waits while too many are in work

    def _trade(self, head: Head, request: SocketRequest) -> None:
        try:
            self._say(head.relay(ask_about_order(self._door, request, self._principal)))
        except ApiError as error:
            self._say(head.fail(error))
        except Exception:  # a defect answers this request, and the socket goes on
            _log.exception("request of a socket failed", action=request.action)
            self._say(head.fail(InternalError()))

    # ---- who it is

    def _authenticate(self, head: Head, request: SocketRequest) -> None:
        """Let the client in, or let it stay longer by a new token of the same user."""
        principal = self._identify(read_model(Credentials, body_of(request.data)))
        check_access(principal, "stream:read")
        if self._principal is None:
            new_client = self._seat(principal)
            self._say(head.succeed(self._shown()))
            self._enter(new_client)
        elif self._client is None or principal.user_id != self._principal.user_id:
            raise Forbidden("the socket is another user's")
        else:
            require_topics(self._selection.topics, principal)
            self._hub.renew_access(self._client, holder(principal))
            self._say(head.succeed(self._shown()))
        self._principal = principal

    def _identify(self, given: Credentials) -> Principal:
        known = None if given.ticket is None else services().tickets.redeem(given.ticket)
        headers = {} if given.token is None else {"HTTP_AUTHORIZATION": f"Bearer {given.token}"}
        if given.api_key is not None:
            headers = {"HTTP_X_API_KEY": given.api_key}
        answer = self._door.ask("GET", _ME, principal=known, headers=headers)
        if answer.status != 200 or answer.principal is None:
            raise CallRefused(answer)
        return answer.principal

    def _seat(self, principal: Principal) -> Callable[[StreamWriter], Subscriber]:
        query = self._query
        topics = require_topics(query.chosen_topics() or (), principal)
        symbols = require_symbols(query.chosen_symbols())
        self._selection = Selection(topics, symbols, WEBSOCKET, query.chosen_intervals())
        return self._hub.reserve(self._selection, holder(principal), query.after)

    def _enter(self, new_client: Callable[[StreamWriter], Subscriber]) -> None:
        self._client = new_client(self._outlet)
        self._hub.attach(self._client)
        self._known.close()

    # ---- what it is sent

    def _subscribe(self, head: Head, asked: Subscribe) -> None:
        if asked.after is not None and self._selection.topics:
            message = "only while nothing is subscribed"
            raise ValidationFailed(fields=[FieldError("after", message)])
        principal = self._counted()
        more = readable(DEFAULT_TOPICS, principal) if asked.topics is None else asked.topics
        topics = require_topics(_in_order({*self._selection.topics, *more}), principal)
        selection = replace(self._selection, topics=topics)
        if "symbols" in asked.model_fields_set:
            selection = replace(selection, symbols=require_symbols(_set_of(asked.symbols)))
        if "intervals" in asked.model_fields_set:
            selection = replace(selection, intervals=_set_of(asked.intervals))
        self._choose(head, selection, asked.after)

    def _unsubscribe(self, head: Head, asked: Unsubscribe) -> None:
        self._counted()
        off = set(self._selection.topics if asked.topics is None else asked.topics)
        topics = _in_order(set(self._selection.topics) - off)
        self._choose(head, replace(self._selection, topics=topics), None)

    def _choose(self, head: Head, selection: Selection, after: str | None) -> None:
        assert self._client is not None  # noqa: S101 - who is not known yet does not get here
        answer = head.succeed(_shown(selection))
        self._hub.change_selection(self._client, selection, after, answer)
        self._selection = selection

    def _counted(self) -> Principal:
        """Return the client's principal, and count what it asks for as the streams' routes do."""
        assert self._principal is not None  # noqa: S101 - see above
        check_rate("query", self._principal.user_id)
        return self._principal

    def _shown(self) -> Subscription:
        return _shown(self._selection)


def _in_order(topics: set[Topic]) -> tuple[Topic, ...]:
    return tuple(topic for topic in TOPICS if topic in topics)


def _shown(selection: Selection) -> Subscription:
    symbols = None if selection.symbols is None else sorted(selection.symbols)
    intervals = None if selection.intervals is None else sorted(selection.intervals)
    return Subscription(topics=list(selection.topics), symbols=symbols, intervals=intervals)


def _set_of(chosen: Sequence[str] | None) -> frozenset[str] | None:
    return None if chosen is None else frozenset(chosen)
