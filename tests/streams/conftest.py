"""Live hubs, one for each test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from tests.streams.live_hub import WAYS_OUT, Live, WayOut

StartLive = Callable[..., Live]


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """Draw tracebacks plainly: structlog's own default takes seconds for a deep one."""
    if structlog.is_configured():  # a whole backend logs
        yield
        return
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    yield
    structlog.reset_defaults()


@pytest.fixture
def start_live() -> Iterator[StartLive]:
    """Start hubs with settings of one's own."""
    started: list[Live] = []

    def start(way_out: WayOut = "handed over", **settings: Any) -> Live:
        started.append(Live(way_out, **settings))
        return started[-1]

    yield start
    for live in started:
        live.close()


@pytest.fixture
def live(start_live: StartLive) -> Live:
    """A hub whose streams are handed over."""
    return start_live()


@pytest.fixture(params=WAYS_OUT)
def any_live(start_live: StartLive, request: pytest.FixtureRequest) -> Live:
    """A hub, once with each way out."""
    return start_live(request.param)
