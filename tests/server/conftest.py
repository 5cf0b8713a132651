"""Servers with the small application, and what they log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from flask import Flask

from backend.server.admission import Admission
from backend.server.timeouts import Timeouts
from tests.http_server import HttpServer, small_app

StartServer = Callable[..., HttpServer]


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """What is logged while a test runs."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def start_server(events: list[dict[str, Any]]) -> Iterator[StartServer]:
    """Start servers that end with the test."""
    started: list[HttpServer] = []

    def start(
        timeouts: Timeouts | None = None,
        app: Flask | None = None,
        admission: Admission | None = None,
    ) -> HttpServer:
        started.append(HttpServer(app or small_app(), timeouts, admission=admission))
        return started[-1]

    yield start
    for served in started:
        served.close()


@pytest.fixture
def server(start_server: StartServer) -> HttpServer:
    """A server as patient as in life."""
    return start_server()
