"""The bot is stopped while prices come in: what is late for it is dropped without a word."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from tests.bridge.live_bridge import BTC, LiveBridge, make_settings
from tests.waiting import shutting_down

STOPS = 5
ALWAYS_SAID = "No configured trading mode"


@contextmanager
def moving_prices(live: LiveBridge) -> Iterator[None]:
    """Steer a price to and fro, from a thread of its own."""
    over = threading.Event()

    def move() -> None:
        for step in count():
            live.bridge.sandbox.pin(BTC, Decimal(40_000 + step % 100))
            if over.wait(0.02):
                return

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_stops_among_prices_log_no_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = make_settings(tmp_path / "home", symbols=(BTC,))
    with shutting_down(LiveBridge(settings)) as live, moving_prices(live):
        live.boot()
        for _ in range(STOPS):
            live.bridge.bot.stop()
            live.bridge.bot.start()
            live.ready()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    told = {record.getMessage() for record in errors if "tentacles" not in record.getMessage()}
    assert {text for text in told if not text.startswith(ALWAYS_SAID)} == set()
