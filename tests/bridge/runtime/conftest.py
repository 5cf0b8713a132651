"""A bridge for tests that start and stop its bot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.live_bridge import (
    LiveBridge,
    make_settings,
)
from tests.waiting import shutting_down


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    """A bridge of this test alone, not yet booted."""
    with shutting_down(LiveBridge(make_settings(tmp_path / "home"))) as live:
        yield live
