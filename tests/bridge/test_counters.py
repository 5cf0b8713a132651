"""What is counted of an exchange's failures: by exchange, call and kind, and it is still raised."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from flask import Flask


class Client:
    """An exchange's client that fails as told: no real one does so when asked to."""

    id = "somewhere"
    markets: dict[str, Any] = {}  # noqa: RUF012
    features: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, failure: Exception | None) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> Any:
        async def call(*_: object) -> str:
            if self._failure is not None:
                raise self._failure
            return name

        return call


def manager_of(client: Client) -> Any:
    return SimpleNamespace(exchange=SimpleNamespace(connector=SimpleNamespace(client=client)))


@pytest.fixture(scope="module")
def _octobot(app: Flask) -> None:
    """OctoBot's own imports warn; the app has made them."""


@pytest.mark.usefixtures("_octobot")
@pytest.mark.parametrize(
    "kind", [ccxt.RequestTimeout, ccxt.AuthenticationError, ccxt.DDoSProtection]
)
def test_failures_are_counted_and_raised(kind: type[ccxt.BaseError]) -> None:
    from backend.bridge.counters import Counters
    from backend.bridge.octobot.exchange_errors import capture_commands, count_read_errors

    counters, client = Counters(), Client(kind("apiKey=CANARY"))
    count_read_errors(manager_of(client), counters)
    capture_commands(manager_of(client), counters)
    order = ("BTC/USDT", "market", "buy", 1)
    for name, arguments in (("fetch_balance", ()), ("fetch_balance", ()), ("create_order", order)):
        with pytest.raises(kind):
            asyncio.run(getattr(client, name)(*arguments))
    assert counters.exchange_errors == {
        ("somewhere", "fetch_balance", kind.__name__): 2,
        ("somewhere", "create_order", kind.__name__): 1,
    }


@pytest.mark.usefixtures("_octobot")
def test_what_succeeds_is_not_counted() -> None:
    from backend.bridge.counters import Counters
    from backend.bridge.octobot.exchange_errors import count_read_errors

    counters, client = Counters(), Client(None)
    count_read_errors(manager_of(client), counters)
    assert asyncio.run(client.fetch_ticker("BTC/USDT")) == "fetch_ticker"
    assert not counters.exchange_errors


@pytest.mark.usefixtures("_octobot")
def test_a_defect_of_ours_is_not_the_exchanges() -> None:
    from backend.bridge.counters import Counters
    from backend.bridge.octobot.exchange_errors import count_read_errors

    counters, client = Counters(), Client(LookupError("ours"))
    count_read_errors(manager_of(client), counters)
    with pytest.raises(LookupError):
        asyncio.run(client.fetch_ticker("BTC/USDT"))
    assert not counters.exchange_errors
