"""Prices that an exchange stops to confirm: nothing is bought or checked at them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson
import pytest

from backend.errors import ApiError, PriceStale, SymbolNotTraded
from backend.schemas.markets import TickerQuery
from tests.bridge.live_bridge import BTC, ETH, LiveBridge, content, new_order
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down, wait_until

MAX_AGE_S = 2.0
QUERY = TickerQuery()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineBridge]:
    settings = {
        "trading": "paper",
        "symbols": (BTC, ETH),
        "price_max_age": MAX_AGE_S,
        "paper_balance": {"USDT": 1_000_000, "BTC": 10},
    }
    with shutting_down(OfflineBridge(tmp_path_factory.mktemp("home"), settings=settings)) as live:
        live.boot()
        yield live


@pytest.fixture
def live(shared: OfflineBridge) -> Iterator[OfflineBridge]:
    assert wait_until(lambda: warnings_of(shared) == [])
    yield shared
    shared.exchange.behave(maintenance=False, rate_limited=False, delisted=())
    shared.exchange.recover()
    assert wait_until(lambda: warnings_of(shared) == [])
    shared.cancel_all()


def warnings_of(live: LiveBridge) -> list[str]:
    return list(live.bridge.bot.status().warnings)


def is_ready(live: LiveBridge) -> bool:
    return live.bridge.readiness().ready


def refused(live: OfflineBridge, **fields: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        live.place(**fields)
    return caught.value


def test_under_maintenance_nothing_is_bought_on_paper_and_readyz_names_the_symbols(
    live: OfflineBridge,
) -> None:
    before, mark = live.totals(), live.mark()
    resting = live.place(type="limit", price="30000")
    live.exchange.behave(maintenance=True)
    assert wait_until(lambda: not is_ready(live))
    assert wait_until(lambda: len(live.bridge.readiness().missing) == 2)

    first, second = live.bridge.readiness().missing
    assert f"the price of {BTC} is stale" in first
    assert f"the price of {ETH} is stale" in second
    for fields in (
        {},
        {"side": "sell"},
        {"type": "limit", "price": "30000"},
        {"type": "stop_loss", "side": "sell", "stop_price": "30000"},
    ):
        error = refused(live, **fields)
        assert (error.status, error.type) == (503, "price_stale")
        assert error.retry_after_s is not None
    with pytest.raises(PriceStale):
        live.bridge.orders.preview(new_order())
    assert live.totals() == before
    assert live.bridge.orders.get(resting.id).status == "open"
    told = [orjson.loads(event.data)["bot"] for event in live.sink.since(mark, "bot")]
    assert any(BTC in text for bot in told for text in bot["warnings"])


def warnings_told(live: OfflineBridge, mark: int) -> list[list[str]]:
    """Return the warnings of the last status that was told since, if any was."""
    events = live.sink.since(mark, "bot")[-1:]
    return [orjson.loads(event.data)["bot"]["warnings"] for event in events]


def test_prices_come_back_by_themselves_with_the_exchange(live: OfflineBridge) -> None:
    live.exchange.behave(maintenance=True)
    assert wait_until(lambda: not is_ready(live))
    error = refused(live, client_order_id="again")
    assert error.type == "price_stale"
    mark = live.mark()
    live.exchange.behave(maintenance=False)
    assert wait_until(lambda: is_ready(live))
    assert wait_until(lambda: warnings_told(live, mark) == [[]])
    # the refusal has not used up its key
    assert live.place(client_order_id="again").status == "filled"


def test_a_quiet_market_is_not_stale(live: OfflineBridge) -> None:
    # polls succeed, the price stands still for several times the allowed age
    time.sleep(3 * MAX_AGE_S)
    assert wait_until(lambda: warnings_of(live) == [], MAX_AGE_S)
    assert live.place().status == "filled"


def test_an_exchange_that_only_refuses_trades_is_priced_by_its_tickers(
    live: OfflineBridge,
) -> None:
    live.exchange.fail("fetch_trades", "ExchangeNotAvailable")
    live.exchange.set_price(BTC, 45_000)

    def bought() -> bool:
        return live.place(quantity="0.001").average_price == 45_000

    assert wait_until(bought)
    assert is_ready(live)
    live.exchange.recover()
    live.set_price(BTC, 40_000)


def test_a_delisted_symbol_is_named_and_the_other_goes_on(live: OfflineBridge) -> None:
    live.exchange.behave(delisted=(ETH,))
    assert wait_until(lambda: any("not traded any more" in text for text in warnings_of(live)))
    assert isinstance(refused(live, symbol=ETH), SymbolNotTraded)
    assert live.place(symbol=BTC).status == "filled"
    assert is_ready(live)
    tickers = {row["symbol"]: row for row in content(live.bridge.markets.tickers(QUERY))}
    assert tickers[ETH]["problem"]["type"] == "symbol_not_traded"
    assert tickers[BTC]["price"] is not None
