"""Paper positions that are liquidated: what they lose, and what is told of it."""

from __future__ import annotations

from decimal import ROUND_DOWN
from decimal import Decimal as D

from tests.bridge.futures_trader import BTC, ETH, Trader
from tests.bridge.live_bridge import wait_until


def test_an_isolated_position_loses_its_margin_and_no_more(trader: Trader) -> None:
    before, mark = trader.wallet, trader.mark()
    trader.trade("buy", "0.02")  # 800 of notional, margin 80, fee 0.8
    resting = trader.trade("sell", "0.02", type="limit", price="50000", reduce_only=True)

    trader.pin(BTC, 36400)

    _, closed = trader.await_told(mark, "position_opened", "position_closed")
    assert (closed["side"], closed["realized_pnl"]) == ("long", "-80.8")
    assert wait_until(lambda: trader.wallet == before - D("80.8"))
    assert trader.positions() == []
    order = next(o for o in trader.orders(status="closed") if o["tag"] == "liquidation")
    assert (order["side"], order["status"], order["average_price"]) == ("sell", "filled", "36000")
    trade = next(t for t in trader.trades() if t["order_id"] == order["id"])
    assert (trade["price"], trade["fee"]["cost"]) == ("36000", "0")
    trader.settled(resting.id, "canceled")
    assert trader.available == trader.wallet


def test_a_gap_beyond_the_liquidation_price_loses_no_more_than_the_margin(trader: Trader) -> None:
    before = trader.wallet
    trader.trade("sell", "0.02")

    trader.pin(BTC, 60000)

    assert wait_until(lambda: trader.positions() == [])
    assert wait_until(lambda: trader.wallet == before - D("80.8"))


def test_cross_positions_share_the_wallet_and_fall_together(trader: Trader) -> None:
    for symbol in (BTC, ETH):
        trader.set(symbol, margin_mode="cross", leverage=50)
    wallet = trader.wallet
    quantity = (wallet / 10_000).quantize(D("0.001"), ROUND_DOWN)  # 4 times the wallet
    fees = quantity * 40 + quantity * 2
    trader.trade("buy", str(quantity))
    trader.place(symbol=ETH, side="buy", quantity=str(quantity))
    # a hundredth of both notionals is maintenance; the rest of the wallet may be lost
    to_lose = wallet - fees - quantity * 400 - quantity * 20
    end = trader.position().liquidation_price
    assert end is not None
    assert abs(end - (40000 - to_lose / quantity)) < D("1e-7")

    trader.pin(BTC, end.quantize(D(1), ROUND_DOWN))

    assert wait_until(lambda: trader.positions() == [])
    ended = [order for order in trader.orders(status="closed") if order["tag"] == "liquidation"]
    assert {order["symbol"] for order in ended[:2]} == {BTC, ETH}
    left = quantity * 420 - quantity * (end - end.quantize(D(1), ROUND_DOWN))
    assert wait_until(lambda: abs(trader.wallet - left) < D("1e-6"))
