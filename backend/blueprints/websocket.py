"""Route of the WebSocket: stream events and order commands on one connection."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, current_app, request
from spectree import Response as Answers

from backend.blueprints.streams import ticket_holder
from backend.middleware.auth import known_principal, requires
from backend.middleware.errors import HttpError
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.ports.socket_handoff import hand_over_socket
from backend.schemas.common import Problem
from backend.schemas.websocket import SocketQuery
from backend.services import services
from backend.websocket import ApiCaller, Session, accept_key, check_origin

sockets = Blueprint("sockets", __name__)

_ANSWERS = Answers("HTTP_101", HTTP_426=Problem, HTTP_501=Problem, HTTP_503=Problem)


@sockets.get("/ws")
@requires("stream:read", credentials=ticket_holder, may_authenticate_later=True)
@limited("query")
@api.validate(resp=_ANSWERS, tags=["streams"])
def open_socket(query: SocketQuery) -> Response:
    """Open a WebSocket: the streams' events, and orders placed, changed and canceled.

    Without Authorization header or ticket the first message must be `auth`. Messages are JSON:
    `{"action": "subscribe", "id": 1, "data": {"topics": ["prices"]}}` is answered by
    `{"id": 1, "action": "subscribe", "status": 200, "success": true, "data": …}`, and events come
    as `{"event": "price_update", "id": "…", "data": …}`. Actions: `auth`, `ping`, `subscribe`,
    `unsubscribe`, `order.create` (the body of `POST /orders`, with `idempotency_key` beside
    `data`), `order.cancel` (`order_id`) and `order.edit` (`order_id` and the body of
    `PATCH /orders/{order_id}`). Scopes, limits and errors are those of the routes.
    """
    accept = accept_key(request.headers)
    check_origin(request.headers, services().settings.cors_origins)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's own way
    session = Session(
        app, services().sockets, ApiCaller(app.wsgi_app, request.environ), query, known_principal()
    )
    if not hand_over_socket(request.environ, session.take_over):
        raise HttpError(501, "this server cannot: start it by wsgi.py, or use /api/v1/stream")
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    return Response(status=101, headers=headers)
