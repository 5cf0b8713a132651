"""Client order ids: one form per exchange, made from our order ids and found again."""

from __future__ import annotations

import re
import uuid

import pytest

from backend.bridge.octobot.client_order_ids import (
    ClientOrderIds,
    are_params_of,
    client_id_of,
    form_of,
)

ORDER_ID = "0f3a5c1e-9b7d-4e21-8c64-5d2f7a90b1c3"
HEX = "0f3a5c1e9b7d4e218c645d2f7a90b1c3"


@pytest.mark.parametrize(
    ("exchange", "params"),
    [
        ("binance", {"clientOrderId": ORDER_ID}),
        ("okx", {"clientOrderId": HEX}),
        ("mexc", {"clientOrderId": HEX}),
        ("hyperliquid", {"clientOrderId": f"0x{HEX}"}),
        ("coinbase", {"client_order_id": ORDER_ID}),
        ("cryptocom", {"client_oid": ORDER_ID}),
        ("bitfinex", {"clientOrderId": int(HEX, 16) % (2**45 - 1) + 1}),
        ("backpack", {"clientOrderId": int(HEX, 16) % (2**32 - 1) + 1}),
        ("arkham", {"clientOrderId": int(HEX, 16) % (2**63 - 1) + 1}),
        ("luno", {}),
    ],
)
def test_each_exchange_is_sent_an_id_in_its_own_form(exchange: str, params: object) -> None:
    assert ClientOrderIds(exchange).params(ORDER_ID) == params
    assert are_params_of(ORDER_ID, ClientOrderIds(exchange).params(ORDER_ID)) is bool(params)


def test_gate_takes_text_of_28_characters() -> None:
    assert re.fullmatch(r"t-[a-z2-7]{26}", str(ClientOrderIds("gate").sent_id(ORDER_ID)))


def test_contracts_at_htx_take_whole_numbers() -> None:
    params = ClientOrderIds("htx", is_futures=True).params(ORDER_ID)
    assert list(params) == ["client_order_id"]
    assert 0 < params["client_order_id"] < 2**63


@pytest.mark.parametrize("exchange", ["okx", "gate", "hyperliquid", "bitfinex", "kraken"])
def test_many_ids_stay_apart_and_do_not_change(exchange: str) -> None:
    ids = [str(uuid.uuid4()) for _ in range(2_000)]
    sent = [ClientOrderIds(exchange).sent_id(order_id) for order_id in ids]
    assert len(set(sent)) == len(ids)
    assert sent == [ClientOrderIds(exchange).sent_id(order_id) for order_id in ids]
    assert all(sent)


@pytest.mark.parametrize(
    ("told", "matches"),
    [
        (HEX, True),
        (HEX.upper(), True),
        (f"x-{HEX}", True),
        ("0", False),
        ("", False),
        (None, False),
        ("c3", False),
    ],
)
def test_a_told_id_is_compared_with_what_was_sent(told: str | None, matches: bool) -> None:
    assert ClientOrderIds("okx").matches({"clientOrderId": told}, ORDER_ID) is matches


def test_the_same_placeholder_of_all_orders_is_no_id() -> None:
    assert client_id_of({"clientOrderId": "0"}) is None
    assert client_id_of({"clientOrderId": 0}) is None
    assert client_id_of({}) is None


def test_a_number_that_ends_alike_is_another_id() -> None:
    ids = ClientOrderIds("bitfinex")
    number = ids.form.encode(ORDER_ID)
    assert ids.matches({"clientOrderId": number}, ORDER_ID)
    assert not ids.matches({"clientOrderId": f"1{number}"}, ORDER_ID)


def test_an_id_that_is_no_uuid_has_a_form_too() -> None:
    assert re.fullmatch("[0-9a-f]{32}", str(form_of("okx").encode("strategy-7")))


def test_other_parameters_are_not_ours() -> None:
    assert not are_params_of(ORDER_ID, {"clientOrderId": str(uuid.uuid4())})
    assert not are_params_of(ORDER_ID, {"reduceOnly": True})
