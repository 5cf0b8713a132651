"""docs/exchanges.md says what ccxt and our own tables say."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "exchange_table.py"
TABLE = runpy.run_path(str(SCRIPT))


def test_the_documented_table_is_the_generated_one() -> None:
    assert TABLE["written"]() == TABLE["table"]()


def test_every_exchange_of_the_request_tests_is_documented() -> None:
    from tests.bridge.octobot.ccxt_requests import EXCHANGES

    assert TABLE["EXCHANGES"] == EXCHANGES
