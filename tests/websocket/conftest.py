"""Fixtures: the whole backend behind a real port, and WebSocket clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from backend.app import close_app, create_app
from backend.services import Services
from tests.api_client import ApiClient
from tests.http_server import HttpServer
from tests.websocket.websocket_client import WebSocketClient

Connect = Callable[..., WebSocketClient]
StartOther = Callable[..., HttpServer]


@pytest.fixture
def connect(client: ApiClient, served: HttpServer) -> Iterator[Connect]:
    """Open sockets, as a trader unless other headers are given."""
    opened: list[WebSocketClient] = []
    trader = client.as_trader().headers

    def connect_(
        target: str = "/ws",
        headers: dict[str, str] | None = None,
        port: int | None = None,
        **options: Any,
    ) -> WebSocketClient:
        opened.append(
            WebSocketClient(
                port or served.port, target, trader if headers is None else headers, **options
            )
        )
        return opened[-1]

    yield connect_
    for peer in opened:
        peer.close()


@pytest.fixture
def start_other(app: Flask) -> Iterator[StartOther]:
    """Start another server on the same bot, with other settings."""
    started: list[tuple[Flask, HttpServer]] = []

    def start(**changes: Any) -> HttpServer:
        parts: Services = app.extensions["backend"]
        settings = parts.settings.model_copy(update=changes)
        other = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
        started.append((other, HttpServer(other)))
        return started[-1][1]

    yield start
    for other, served in started:
        served.close()
        close_app(other)
