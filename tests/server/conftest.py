"""Servers with the small application, and what they log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from flask import Flask

from backend.server.timeouts import Timeouts
from tests.http_server import Served, small_app

StartServer = Callable[..., Served]


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """What is logged while a test runs."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def start_server(events: list[dict[str, Any]]) -> Iterator[StartServer]:
    """Start servers that end with the test."""
    started: list[Served] = []

    def start(timeouts: Timeouts | None = None, app: Flask | None = None) -> Served:
        started.append(Served(app or small_app(), timeouts))
        return started[-1]

    yield start
    for served in started:
        served.close()


@pytest.fixture
def server(start_server: StartServer) -> Served:
    """A server as patient as in life."""
    return start_server()
