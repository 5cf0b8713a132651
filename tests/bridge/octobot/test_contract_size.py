"""Contracts of another size than 1: quantities and rules in base, exact, real and paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal

import octobot_trading.personal_data as personal_data
import pytest

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.patches.contract_size import scale_quantities
from backend.errors import LeverageOutOfRange, QuantityBelowMinimum, QuantityOffStep
from backend.schemas.positions import PositionChange
from tests.bridge.live_bridge import content, wait_until
from tests.bridge.octobot.test_exchange import ask
from tests.exchanges.exchange import NAME
from tests.exchanges.listings import LINEAR, LINEAR_10, LINEAR_1000
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

D = Decimal
CONTRACTS = (LINEAR.model_copy(update={"max_leverage": 20}), LINEAR_10, LINEAR_1000)
SYMBOLS = tuple(contract.symbol for contract in CONTRACTS)


@pytest.fixture(scope="module", params=["real", "paper"])
def live(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[OfflineBridge]:
    with ExitStack() as stack:
        bridge = OfflineBridge(
            tmp_path_factory.mktemp(request.param),
            settings={
                "trading": request.param,
                "exchange_type": "future",
                "symbols": SYMBOLS,
                "paper_balance": {"USDT": D(1_000_000)},
            },
            listings=CONTRACTS,
            deposits={"USDT": "1000000"},
        )
        stack.enter_context(shutting_down(bridge)).boot()
        yield bridge


@pytest.mark.parametrize(
    ("contract", "step"), [(LINEAR, "0.01"), (LINEAR_10, "10"), (LINEAR_1000, "1000")]
)
def test_rules_are_told_in_the_base_asset(live, contract, step):
    told = content(live.bridge.markets.markets(NAME))
    (market,) = [market for market in told if market["symbol"] == contract.symbol]
    assert D(market["contract_size"]) == contract.contract_size
    assert D(market["quantity_step"]) == D(market["quantity"]["min"]) == D(step)


def test_a_quantity_of_base_is_bought_as_that_many_contracts(live):
    placed = live.place(symbol=LINEAR.symbol, quantity="0.07")
    order = live.settled(placed.id)
    assert (order.quantity, order.filled, order.cost) == (D("0.07"), D("0.07"), D(2_800))
    assert wait_until(lambda: live.bridge.positions.get(LINEAR.symbol, None).quantity == D("0.07"))
    (trade,) = [trade for trade in live.trades() if trade["order_id"] == order.id]
    assert (D(trade["quantity"]), D(trade["cost"])) == (D("0.07"), D(2_800))


def test_less_than_a_contract_and_parts_of_one_are_refused(live):
    with pytest.raises(QuantityBelowMinimum, match=r"0\.005 BTC is below the minimum 0\.01"):
        live.place(symbol=LINEAR.symbol, quantity="0.005")
    with pytest.raises(QuantityOffStep, match="1500 is not a multiple of 1000 SHIB"):
        live.place(symbol=LINEAR_1000.symbol, quantity="1500")


def test_leverage_is_bounded_by_what_the_market_lists(live):
    if live.bridge.markets.exchanges()[0].trading == "real":
        pytest.skip("a real exchange refuses it itself")
    for leverage, symbol in ((21, LINEAR.symbol), (51, LINEAR_10.symbol)):
        with pytest.raises(LeverageOutOfRange, match=f"at most {leverage - 1}$"):
            live.bridge.positions.change(symbol, PositionChange(leverage=leverage))
        changed = live.bridge.positions.change(symbol, PositionChange(leverage=leverage - 1))
        assert changed.leverage == leverage - 1


def test_strategies_read_limits_in_the_base_asset(live):
    def adapted(exchange: Exchange) -> list[tuple[Decimal, Decimal]]:
        market = exchange._manager.exchange.get_market_status(LINEAR.symbol, with_fixer=False)
        return personal_data.decimal_check_and_adapt_order_details_if_necessary(
            D("0.05"), D(40_000), market
        )

    assert ask(live, adapted) == [(D("0.05"), D(40_000))]


@pytest.mark.parametrize(("contracts", "size", "base"), [(7, "0.1", 0.7), (35, "0.01", 0.35)])
def test_contracts_become_base_exactly(contracts, size, base):
    row = {"amount": float(contracts), "filled": None, "remaining": 0.0}
    scale_quantities(row, D(size))
    assert row == {"amount": base, "filled": None, "remaining": 0.0}
