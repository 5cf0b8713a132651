"""kill -9 while brackets stream in, fill and end: each entry has both its exits, and one fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recovery.kill_loop import kill_again_and_again

pytestmark = pytest.mark.long

BRACKETS = {"bracket": 40, "resting bracket": 50, "limit": 10}


def test_kills_among_brackets_leave_none_torn(tmp_path: Path) -> None:
    found = kill_again_and_again(tmp_path / "home", BRACKETS)
    ends = {o["status"] for o in found.orders if o["parent_order_id"] is not None}
    assert ends == {"filled", "canceled"}
