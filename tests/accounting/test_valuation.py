"""The price of an asset in another."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backend.accounting.valuation import price_of, quoting_symbols

D = Decimal
PRICES = {"BTC/USDT": D(20000), "ETH/BTC": D("0.05"), "EUR/USDT": D("1.25"), "XRP/EUR": D(2)}


@pytest.mark.parametrize(
    ("asset", "reference", "price"),
    [
        ("USDT", "USDT", "1"),
        ("BTC", "USDT", "20000"),
        ("USDT", "BTC", "0.00005"),
        ("ETH", "USDT", "1000"),
        ("XRP", "USDT", "2.5"),
        ("BTC", "EUR", "16000"),
        ("EUR", "BTC", "0.0000625"),
    ],
)
def test_direct_inverse_and_through_one_market(asset: str, reference: str, price: str) -> None:
    assert price_of(PRICES, asset, reference) == D(price)


@pytest.mark.parametrize("asset", ["DOGE", "", "BTC/USDT"])
def test_an_asset_without_a_market_has_no_price(asset: str) -> None:
    assert price_of(PRICES, asset, "USDT") is None


def test_a_price_of_zero_has_no_inverse() -> None:
    assert price_of({"BTC/USDT": D(0)}, "USDT", "BTC") is None


def test_a_linear_contract_prices_its_base_where_there_is_no_pair() -> None:
    contract = {"BTC/USDT:USDT": D(20000)}
    assert price_of(contract, "BTC", "USDT") == D(20000)
    assert price_of({**contract, "BTC/USDT": D(20001)}, "BTC", "USDT") == D(20001)
    assert price_of({"BTC/EUR:EUR": D(2), "EUR/USDT": D(3)}, "BTC", "USDT") == D(6)
    assert price_of({"BTC/USD:BTC": D(20000)}, "BTC", "USD") is None


def test_large_prices_are_not_cut() -> None:
    assert price_of({"BTC/IDR": D("1E15"), "ETH/BTC": D("0.5")}, "ETH", "IDR") == D("5E14")


@pytest.mark.parametrize(
    ("assets", "symbols"),
    [
        ("BTC", ["BTC/USDT"]),
        ("EUR", ["USDT/EUR"]),
        ("ADA", ["ADA/BTC", "BTC/USDT", "ADA/EUR", "USDT/EUR"]),
        ("NONE", []),
        ("LONELY", []),
        ("USDT", []),
    ],
)
def test_the_symbols_that_price_an_asset(assets: str, symbols: list[str]) -> None:
    listed = ("BTC/USDT", "USDT/EUR", "ADA/BTC", "ADA/EUR", "LONELY/ISLAND", "ETH/BTC")
    pairs = {(symbol.split("/")[0], symbol.split("/")[1]): symbol for symbol in listed}
    assert quoting_symbols(pairs, [assets], "USDT") == symbols
