"""Fixtures: live hubs behind a server, and hubs with a journal that can restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.streams.journalled_hub import JournalledHub
from tests.streams.live_hub import TRANSPORTS, LiveHub, Transport

StartLiveHub = Callable[..., LiveHub]
StartJournalledHub = Callable[..., JournalledHub]


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
def start_live_hub() -> Iterator[StartLiveHub]:
    """Start hubs with settings of the test."""
    started: list[LiveHub] = []

    def start(transport: Transport = "handed over", **settings: Any) -> LiveHub:
        started.append(LiveHub(transport, **settings))
        return started[-1]

    yield start
    for live_hub in started:
        live_hub.close()


@pytest.fixture
def live_hub(start_live_hub: StartLiveHub) -> LiveHub:
    """A hub whose streams are handed over."""
    return start_live_hub()


@pytest.fixture(params=TRANSPORTS)
def any_live_hub(start_live_hub: StartLiveHub, request: pytest.FixtureRequest) -> LiveHub:
    """A hub, once with each transport."""
    return start_live_hub(request.param)


@pytest.fixture
def start_journalled_hub(tmp_path: Path) -> Iterator[StartJournalledHub]:
    started: list[JournalledHub] = []

    def start(**settings: Any) -> JournalledHub:
        started.append(JournalledHub(tmp_path, **settings))
        return started[-1]

    yield start
    for journalled_hub in started:
        journalled_hub.close()


@pytest.fixture
def journalled_hub(start_journalled_hub: StartJournalledHub) -> JournalledHub:
    return start_journalled_hub()
