"""A bridge for tests that start and stop its bot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.live_bridge import (
    Live,
    make_settings,
)
from tests.waiting import shut_in_the_end


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A bridge of this test alone, not yet booted."""
    with shut_in_the_end(Live(make_settings(tmp_path / "home"))) as live:
        yield live
