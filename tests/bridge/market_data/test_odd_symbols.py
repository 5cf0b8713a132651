"""Markets whose names have other letters, small ones, dots and hyphens."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from backend.schemas.common import parse_symbol
from tests.app_with_bot import AppWithBot, app_settings
from tests.bridge.odd_exchange import NAME, World, install
from tests.waiting import shutting_down

SYMBOLS = ("1000SHIB/USDT", "DOGE.OLD/USDT", "FOO-BAR/USDT", "kPEPE/USDT", "我踏马来了/USDT")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppWithBot]:
    install(World(dict.fromkeys(SYMBOLS, "2")))
    settings = app_settings(
        tmp_path_factory.mktemp("home"),
        exchange=(NAME,),
        symbols=SYMBOLS,
        paper_balance="USDT=1000, kPEPE=5, 我踏马来了=3",
    )
    with shutting_down(AppWithBot(settings)) as app:
        yield app.boot()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_market_is_traded_under_the_name_that_the_exchange_lists(
    app: AppWithBot, symbol: str
) -> None:
    dashed = symbol.replace("/", "-")
    for name in (symbol, dashed):
        assert app.viewer.get(f"/tickers/{quote(name, safe='')}")["symbol"] == symbol
    mark = app.live.mark()
    body = {"symbol": dashed, "side": "buy", "type": "market", "quantity": "1"}
    order = app.trader.post("/orders", body, expect=201)
    assert (order["symbol"], order["status"]) == (symbol, "filled")
    (listed,) = app.viewer.get("/orders", status="all", symbol=dashed)
    assert listed["id"] == order["id"]
    told = app.live.sink.await_name(mark, "order_filled")
    assert (told["symbol"], told["order"]["symbol"]) == (symbol, symbol)
    lines = app.viewer.request("GET", "/trades/history?format=csv").get_data(as_text=True)
    assert f",{symbol}," in lines
    rows = app.viewer.get("/portfolio")["exchanges"][0]["balances"]
    assert symbol.split("/")[0] in [row["asset"] for row in rows]


@pytest.mark.parametrize("symbol", ["KPEPE/USDT", "doge.old/USDT", "FOO/BAR-USDT"])
def test_another_name_is_not_traded(app: AppWithBot, symbol: str) -> None:
    body = {"symbol": symbol, "side": "buy", "type": "market", "quantity": "1"}
    assert app.trader.post("/orders", body, expect=400)["type"] == "invalid_symbol"


@pytest.mark.parametrize(
    ("given", "symbol"),
    [
        ("btc-usdt", "BTC/USDT"),
        ("btc/usdt:usdt", "BTC/USDT:USDT"),
        ("BTC-USD:BTC-240628", "BTC/USD:BTC-240628"),
        ("BTC-USDT:USDT-240628-60000-C", "BTC/USDT:USDT-240628-60000-C"),
        ("kPEPE-USDC:USDC", "kPEPE/USDC:USDC"),
        ("foo-bar-usdt", "FOO-BAR/USDT"),
        ("FOO/BAR-USDT", "FOO/BAR-USDT"),
        ("$U-USDT", "$U/USDT"),
        ("我踏马来了-usdt", "我踏马来了/USDT"),
    ],
)
def test_the_last_hyphen_before_the_colon_is_the_slash(given: str, symbol: str) -> None:
    assert parse_symbol(given) == symbol


@pytest.mark.parametrize(
    "text",
    [
        *("", "BTC", "/USDT", "BTC/", "-USDT", "BTC-", "BTC/USDT/EUR", "BTC/USDT:", "A:B/C:D"),
        *("A B/USDT", "A\n/USDT", "A\x00/USDT", "A\u202e/USDT", "A\u200b/USDT", "A\ufffd/USDT"),
        *('A"/USDT', "A\\/USDT", "A,B/USDT", "A%/USDT", "A</USDT", "A?/USDT", "A;/USDT"),
        *("=A/USDT", "+A/USDT", "@A/USDT", "../USDT", "_A/USDT", "A/😀", "A" * 61 + "/USDT"),
    ],
)
def test_what_no_exchange_lists_is_no_symbol(text: str) -> None:
    with pytest.raises(ValueError, match="a symbol looks like"):
        parse_symbol(text)
