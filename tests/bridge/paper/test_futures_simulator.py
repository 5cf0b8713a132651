"""Paper futures: margin, PnL, fees and balances, against figures worked out by hand.

Every fee is a thousandth of the notional. The account begins with 100000 USDT.
"""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from backend.errors import (
    InsufficientFunds,
    LeverageOutOfRange,
    PositionExceeded,
    PositionNotOpen,
    PositionOpen,
    ReduceOnlyWouldOpen,
    WouldBeLiquidated,
)
from tests.bridge.futures_trader import BTC, Trader
from tests.bridge.live_bridge import wait_until


def test_a_long_position_from_entry_to_close(trader: Trader) -> None:
    before = trader.wallet

    entry = trader.trade("buy", "0.5")  # 20000 of notional at 40000

    assert entry.status == "filled"
    assert entry.fee is not None
    assert (entry.cost, entry.fee.cost, entry.fee.currency) == (D(20000), D(20), "USDT")
    position = trader.position()
    assert (position.side, position.quantity, position.entry_price) == ("long", D("0.5"), D(40000))
    assert (position.margin, position.leverage) == (D(2000), D(10))
    assert position.liquidation_price == D(36400)  # 40000 * (1 - 1/10 + 1/100)
    assert position.realized_pnl == D(-20)
    assert trader.available == before - 20 - 2000

    trader.pin(BTC, 42000)

    assert wait_until(lambda: trader.position().unrealized_pnl == 1000)
    assert wait_until(lambda: trader.totals()["USDT"] == before - 20 + 1000)

    closing = trader.close()

    assert (closing.side, closing.status, closing.reduce_only) == ("sell", "filled", True)
    assert trader.positions() == []
    assert trader.wallet == trader.available == before + 1000 - 20 - 21


def test_a_short_position_closed_in_parts(trader: Trader) -> None:
    before = trader.wallet
    trader.trade("sell", "1")  # fee 40
    trader.pin(BTC, 41000)
    trader.trade("sell", "1")  # fee 41; entry is now 40500
    assert trader.position().entry_price == D(40500)
    assert trader.position().margin == D(8100)

    trader.pin(BTC, 39500)
    trader.close(quantity="0.5")  # gains 0.5 * 1000, fee 19.75

    position = trader.position()
    assert (position.side, position.quantity, position.entry_price) == (
        "short",
        D("1.5"),
        D(40500),
    )
    assert position.realized_pnl == D("399.25")  # 500 - 40 - 41 - 19.75
    assert position.margin == D(6075)
    assert position.liquidation_price == D(44145)  # 40500 * 1.09

    trader.close()  # gains 1500, fee 59.25

    assert trader.wallet == before + 2000 - 40 - 41 - D("19.75") - D("59.25")


def test_an_order_beyond_the_position_turns_it_around(trader: Trader) -> None:
    before, mark = trader.wallet, trader.mark()
    trader.trade("buy", "0.1")

    trader.trade("sell", "0.3")

    position = trader.position()
    assert (position.side, position.quantity) == ("short", D("0.2"))
    assert position.realized_pnl == D(-8)
    opened, closed, turned = trader.await_told(
        mark, "position_opened", "position_closed", "position_opened"
    )
    assert (opened["side"], opened["quantity"]) == ("long", "0.1")
    assert (closed["side"], closed["quantity"], closed["realized_pnl"]) == ("long", "0", "-8")
    assert (turned["side"], turned["quantity"]) == ("short", "0.2")
    trader.close()
    assert trader.wallet == before - 4 - 12 - 8


def test_open_orders_hold_margin_and_fee_until_canceled(trader: Trader) -> None:
    before = trader.available

    order = trader.trade("buy", "0.5", type="limit", price="36000")

    assert trader.available == before - 1800 - 18
    assert trader.wallet == before
    trader.set(leverage=20)
    assert wait_until(lambda: trader.available == before - 900 - 18)
    trader.bridge.orders.cancel(order.id)
    assert trader.available == before


def test_a_resting_order_opens_a_position_when_the_price_comes_to_it(trader: Trader) -> None:
    before = trader.wallet
    order = trader.trade("sell", "0.5", type="limit", price="41000")

    trader.pin(BTC, 41500)

    trader.settled(order.id)
    position = trader.position()
    assert (position.side, position.entry_price) == ("short", D(41000))
    assert trader.available == before - D("20.5") - 2050


def test_an_order_that_the_margin_does_not_cover_is_refused(trader: Trader) -> None:
    before = trader.available
    with pytest.raises(InsufficientFunds, match="USDT"):
        trader.trade("buy", "30")  # 120000 of margin
    with pytest.raises(InsufficientFunds, match="USDT"):
        trader.trade("sell", "30", type="limit", price="41000")
    assert trader.positions() == []
    assert trader.available == before


def test_leverage_changes_what_a_position_holds_and_where_it_ends(trader: Trader) -> None:
    trader.trade("buy", "0.5")
    before, mark = trader.available, trader.mark()

    changed = trader.set(leverage=20)

    assert (changed.leverage, changed.margin) == (D(20), D(1000))
    assert changed.liquidation_price == D(38400)
    assert trader.available == before + 1000
    (told,) = trader.await_told(mark, "position_updated")
    assert (told["leverage"], told["margin"]) == ("20", "1000")


def test_leverage_that_cannot_be_is_refused_and_changes_nothing(trader: Trader) -> None:
    trader.trade("buy", "20")  # margin 80000
    with pytest.raises(LeverageOutOfRange, match="at most 50"):
        trader.set(leverage=51)
    with pytest.raises(InsufficientFunds):
        trader.set(leverage=5)
    trader.pin(BTC, 39000)
    assert wait_until(lambda: trader.position().mark_price == 39000)
    with pytest.raises(WouldBeLiquidated):
        trader.set(leverage=40)  # would end at 39400
    assert trader.position().leverage == D(10)


def test_the_margin_mode_waits_until_nothing_is_open(trader: Trader) -> None:
    order = trader.trade("buy", "0.5", type="limit", price="30000")
    with pytest.raises(PositionOpen):
        trader.set(margin_mode="cross")
    trader.bridge.orders.cancel(order.id)
    assert trader.set(margin_mode="cross").margin_mode == "cross"

    trader.trade("buy", "0.5")
    with pytest.raises(PositionOpen):
        trader.set(margin_mode="isolated")
    assert trader.set(margin_mode="cross").margin_mode == "cross"


def test_closing_what_is_not_there_is_refused(trader: Trader) -> None:
    with pytest.raises(PositionNotOpen):
        trader.close()
    with pytest.raises(ReduceOnlyWouldOpen):
        trader.trade("sell", "0.1", reduce_only=True)
    trader.trade("buy", "0.1")
    with pytest.raises(PositionExceeded, match=r"0\.1"):
        trader.close(quantity="0.2")
    with pytest.raises(ReduceOnlyWouldOpen):
        trader.trade("buy", "0.1", reduce_only=True)
    assert trader.position().quantity == D("0.1")
