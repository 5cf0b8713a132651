"""The README's first requests, run by bash in the order of the page."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.live import LiveServer
from tests.clients.doc_snippets import code_blocks
from tests.clients.process_output import lines_of

STEP = "\necho\n"


@pytest.fixture
def blocks(server: LiveServer) -> list[str]:
    return code_blocks("README.md", "bash", server)


def run(*blocks: str) -> list[dict[str, Any]]:
    """Run blocks in one shell and return the JSON answers that they print."""
    script = "set -euo pipefail\n" + STEP.join(blocks).replace("\ncurl", f"{STEP}curl")
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def test_the_first_requests_do_what_the_page_says(server: LiveServer, blocks: list[str]) -> None:
    login, portfolio, _, watch, buy, history = blocks
    with lines_of(["bash", "-c", f"set -e\n{login}\n{watch}"]) as stream:
        stream.wait_for_start("event: snapshot")
        [worth, order, orders, trades] = run(login, portfolio, buy, history)
        created = stream.wait_for_start("event: order_created")
        filled = stream.wait_for_start("event: order_filled")
        traded = stream.wait_for_start("event: trade")
        updated = stream.wait_for_start("event: portfolio_updated")
    assert [created, filled, traded, updated]

    with server.client() as client:
        price = Decimal(client.get("/tickers/BTC-USDT").json()["data"]["price"])
    expected = 10_000 + price
    assert abs(Decimal(worth["data"]["total_value"]) / expected - 1) < Decimal("0.02")
    assert order["data"]["quantity"] == "0.01"
    [closed] = orders["data"]
    assert (closed["id"], closed["status"]) == (order["data"]["id"], "filled")
    [trade] = trades["data"]
    assert trade["order_id"] == order["data"]["id"]
    assert Decimal(trade["fee"]["cost"]) > 0


def test_prices_come_as_the_page_says(blocks: list[str]) -> None:
    login, _, prices, *_ = blocks
    with lines_of(["bash", "-c", f"set -e\n{login}\n{prices}"]) as stream:
        stream.wait_for_start("event: snapshot")
        stream.wait_for_start("event: price_update")
        event = json.loads(stream.wait_for_start("data: ").removeprefix("data: "))
    assert event["symbol"] in ("BTC/USDT", "ETH/USDT")
    assert Decimal(event["price"]) > 0
