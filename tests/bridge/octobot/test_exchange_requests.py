"""Orders of ours pass the request builders of ccxt's classes, with all that they say."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import ccxt
import pytest

from backend.bridge.octobot.client_order_ids import ClientOrderIds
from backend.bridge.octobot.order_abilities import takes_orders, takes_parameter
from tests.bridge.octobot.ccxt_requests import EXCHANGES, SPOT, SWAP, make_client, send_order

ORDER_ID = str(uuid.UUID(int=0x0F3A5C1E9B7D4E218C645D2F7A90B1C3))


class Case(NamedTuple):
    """An order, and the text that its request has to contain."""

    kind: str
    params: dict[str, Any]
    expected: str


CASES = {
    "limit": Case("limit", {}, "20000|2000000000000"),
    "market": Case("market", {}, "0.01|1000000|-1"),
    "post-only": Case("limit", {"postOnly": True}, "(?i)post.?only|maker|alo|poc|4096|post|gtx"),
    "ioc": Case("limit", {"timeInForce": "IOC"}, "(?i)ioc|immediate"),
    "stop": Case("market", {"stopLossPrice": 19_000}, "19000|1900000000000"),
    "stop limit": Case("limit", {"stopLossPrice": 19_000}, "19000|1900000000000"),
    "take profit": Case("market", {"takeProfitPrice": 21_000}, "21000|2100000000000"),
    "reduce-only": Case("limit", {"reduceOnly": True}, '(?i)reduce.?only|"r":true|1024|close'),
}
NO_MARKET_STOPS = {("coinbase", SPOT), ("coinbase", SWAP)}
"""Stops have a limit there, and ccxt refuses the others."""
REFUSED = {
    ("bitget", SPOT, "stop"),
    ("bitget", SPOT, "stop limit"),
    ("bitget", SPOT, "take profit"),
    ("bitget", SWAP, "stop limit"),
    *((*market, kind) for market in NO_MARKET_STOPS for kind in ("stop", "take profit")),
}
"""Refused by ccxt before anything is sent, though its description has them."""
WITHOUT_ID = {("bybit", SWAP, kind) for kind in ("stop", "stop limit", "take profit")}
"""Stops of a Bybit position have no client order id with the older ccxt."""


def cases() -> Iterator[tuple[str, str, str]]:
    for exchange in EXCHANGES:
        for symbol in (SPOT, SWAP):
            for case in CASES:
                if case != "reduce-only" or symbol == SWAP:
                    yield exchange, symbol, case


def is_offered(exchange: str, symbol: str, case: Case) -> bool:
    """Return whether our own check lets the order pass."""
    client = make_client(exchange)
    named = [key for key in case.params if key.endswith("Price")]
    return takes_orders(client, symbol) and all(
        takes_parameter(client, symbol, parameter) for parameter in named
    )


@pytest.mark.parametrize(("exchange", "symbol", "name"), list(cases()))
def test_an_order_passes_the_exchanges_request_builder(
    exchange: str, symbol: str, name: str
) -> None:
    case = CASES[name]
    if not is_offered(exchange, symbol, case):
        pytest.skip("refused beforehand")
    ids = ClientOrderIds(exchange, is_futures=symbol == SWAP)
    params = {**case.params, **ids.params(ORDER_ID)}
    if (exchange, symbol, name) in REFUSED:
        with pytest.raises(ccxt.ExchangeError):
            send_order(exchange, symbol, case.kind, params)
        return
    request = send_order(exchange, symbol, case.kind, params)
    assert re.search(case.expected, request.text), request
    has_id = str(ids.sent_id(ORDER_ID)) in request.text
    assert has_id or (exchange, symbol, name) in WITHOUT_ID, request


@pytest.mark.parametrize(
    ("exchange", "symbol", "parameter"),
    [
        ("mexc", SPOT, "stopLossPrice"),
        ("htx", SPOT, "takeProfitPrice"),
        ("hyperliquid", SPOT, "stopLossPrice"),
        ("phemex", SWAP, "stopLossPrice"),
    ],
)
def test_a_stop_that_ccxt_would_send_as_a_market_order_is_not_offered(
    exchange: str, symbol: str, parameter: str
) -> None:
    assert not takes_parameter(make_client(exchange), symbol, parameter)


@pytest.mark.parametrize("exchange", ["kraken", "kucoin"])
def test_contracts_of_an_exchange_that_ccxt_knows_by_another_name_are_not_offered(
    exchange: str,
) -> None:
    assert takes_orders(make_client(exchange), SPOT)
    assert not takes_orders(make_client(exchange), SWAP)


def test_gate_refuses_a_uuid_which_is_why_it_gets_another_form() -> None:
    with pytest.raises(ccxt.BadRequest, match="28 characters"):
        send_order("gate", SPOT, "limit", {"clientOrderId": ORDER_ID})


SPENDS_COST = {"bitget", "bybit", "coinbase", "gate", "htx"}


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_order_trades_its_amount_wherever_the_exchange_takes_amounts(
    exchange: str, side: str
) -> None:
    params = ClientOrderIds(exchange).params(ORDER_ID)
    text = send_order(exchange, SPOT, "market", params, side).text
    is_cost = re.search(r"\b200(\.0+)?\b|\b20000000000\b", text) is not None
    assert is_cost is (side == "buy" and exchange in SPENDS_COST), text


def test_amounts_reach_a_request_exactly() -> None:
    request = send_order("okx", SPOT, "limit", ClientOrderIds("okx").params(ORDER_ID))
    (amount,) = re.findall(r'"sz":"([0-9.]+)"', request.text)
    assert Decimal(amount) == Decimal("0.01")
