from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from backend.errors import OrderNotFound, OrderNotOpen
from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import BTC, CROSS, FEE, Amount, LiveBridge, new_order

D = Decimal
FILLED = ["order_created", "order_filled", "trade", "portfolio_updated"]

Balances = Mapping[str, Amount]


def assert_booked(order: Order, before: Balances, after: Balances) -> None:
    """The balances changed by exactly the order's quantity, cost and fee, and nothing is locked."""
    base, quote = order.symbol.split("/")
    sign = 1 if order.side == "buy" else -1
    changes = {base: sign * order.filled, quote: -sign * order.cost}
    # as on most exchanges the fee is taken from what one gets; OctoBot's simulator takes
    # that of a triggered order from the quote asset
    payer = base if order.side == "buy" and order.type in ("market", "limit") else quote
    assert order.fee is not None
    assert (order.fee.cost, order.fee.currency) == (abs(changes[payer]) * FEE, payer)
    changes[payer] -= order.fee.cost
    assert {asset: after[asset].total - before[asset].total for asset in changes} == changes
    assert all(amount.available == amount.total for amount in after.values())


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_order_comes_back_filled_at_the_markets_price(bot: LiveBridge, side: str) -> None:
    before, mark = bot.balances(), bot.mark()
    order = bot.place(
        side=side, type="market", quantity="0.5", tag="dip", client_order_id=f"c-{side}"
    )
    after = bot.balances()
    assert (order.status, order.type, order.side) == ("filled", "market", side)
    assert (order.quantity, order.filled, order.remaining) == (D("0.5"), D("0.5"), 0)
    assert (order.price, order.stop_price, order.average_price) == (None, None, 40_000)
    assert order.cost == 20_000
    assert (order.tag, order.client_order_id, order.exchange) == ("dip", f"c-{side}", "sandbox")
    assert order.reduce_only is False
    assert order.created_at <= order.updated_at
    assert_booked(order, before, after)
    bot.settle()
    assert bot.sink.story(mark) == FILLED


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    "fields",
    [
        {"type": "market"},
        {"type": "limit", "price": "40000"},
        {"type": "stop_loss"},
        {"type": "take_profit"},
    ],
    ids=lambda fields: fields["type"],
)
def test_a_preview_tells_the_fee_and_the_funds_that_the_fill_then_brings(
    bot: LiveBridge, side: str, fields: dict[str, str]
) -> None:
    away = {("stop_loss", "buy"): 41_000, ("stop_loss", "sell"): 39_000}
    away |= {("take_profit", "buy"): 39_000, ("take_profit", "sell"): 41_000}
    stop_price = away.get((fields["type"], side))
    asked = new_order(side=side, quantity="0.2", stop_price=stop_price, **fields)
    preview = bot.bridge.orders.preview(asked)
    assert (preview.accepted, preview.refusals) == (True, [])
    order = bot.bridge.orders.create(asked)
    if stop_price is not None:
        bot.steer(BTC, D(stop_price))
        order = bot.settled(order.id)
    assert (order.cost, order.fee) == (preview.cost, preview.fee)
    bot.settle()
    totals = bot.totals()
    assert {row.asset: row.after_filling for row in preview.funds} == {
        row.asset: totals[row.asset] for row in preview.funds
    }


def test_an_order_in_a_market_against_bitcoin_moves_bitcoin(bot: LiveBridge) -> None:
    before = bot.balances()
    order = bot.place(symbol=CROSS, side="buy", quantity="2")
    after = bot.balances()
    assert (order.average_price, order.cost) == (D("0.05"), D("0.1"))
    assert after["BTC"].total == before["BTC"].total - D("0.1")
    assert after["ETH"].total == before["ETH"].total + 2 - D("0.002")
    assert after["USDT"] == before["USDT"]


@pytest.mark.parametrize(
    ("side", "price", "target", "locked"),
    [
        ("buy", 39_000, 38_900, {"USDT": 39_000 * D("0.1")}),
        ("sell", 41_000, 41_100, {"BTC": D("0.1")}),
    ],
)
def test_a_limit_order_rests_and_fills_within_a_second_of_the_move(
    bot: LiveBridge, side: str, price: int, target: int, locked: dict[str, Decimal]
) -> None:
    before, mark = bot.balances(), bot.mark()
    order = bot.place(side=side, type="limit", quantity="0.1", price=price)
    assert (order.status, order.price, order.stop_price) == ("open", price, None)
    assert (order.filled, order.remaining, order.cost) == (0, D("0.1"), 0)
    assert (order.average_price, order.fee) == (None, None)
    assert bot.locked() == locked
    assert bot.totals() == {asset: amount.total for asset, amount in before.items()}
    bot.settle()
    assert bot.sink.story(mark) == ["order_created", "portfolio_updated"]

    mark = bot.mark()
    bot.bridge.sandbox.move(BTC, D(target))
    filled = bot.settled(order.id)
    bot.settle()
    assert (filled.filled, filled.remaining) == (D("0.1"), 0)
    assert (filled.price, filled.average_price, filled.cost) == (price, price, D("0.1") * price)
    assert bot.sink.story(mark) == ["order_filled", "trade", "portfolio_updated"]
    assert_booked(filled, before, bot.balances())


@pytest.mark.parametrize(("side", "price"), [("buy", 44_000), ("sell", 36_000)])
def test_a_limit_order_beyond_the_market_fills_at_the_markets_price(
    bot: LiveBridge, side: str, price: int
) -> None:
    before, mark = bot.balances(), bot.mark()
    order = bot.place(side=side, type="limit", quantity="0.1", price=price)
    assert (order.status, order.type, order.price) == ("filled", "limit", price)
    assert (order.average_price, order.cost) == (40_000, 4_000)
    assert_booked(order, before, bot.balances())
    bot.settle()
    assert bot.sink.story(mark) == FILLED


@pytest.mark.parametrize(("side", "price"), [("buy", 39_000), ("sell", 41_000)])
def test_canceling_a_limit_order_frees_its_funds(bot: LiveBridge, side: str, price: int) -> None:
    before, mark = bot.balances(), bot.mark()
    order = bot.place(side=side, type="limit", quantity="0.1", price=price)
    bot.settle()
    assert bot.locked() != {}

    mark = bot.mark()
    canceled = bot.bridge.orders.cancel(order.id)
    assert (canceled.status, canceled.filled, canceled.remaining) == ("canceled", 0, D("0.1"))
    assert (canceled.price, canceled.cost, canceled.fee) == (price, 0, None)
    assert bot.balances() == before
    assert bot.orders() == []
    bot.settle()
    assert bot.sink.story(mark) == ["order_canceled", "portfolio_updated"]


@pytest.mark.parametrize(
    ("order_type", "side", "stop_price", "target"),
    [
        ("stop_loss", "sell", 39_000, 38_500),
        ("stop_loss", "buy", 41_000, 41_500),
        ("take_profit", "sell", 41_000, 41_500),
        ("take_profit", "buy", 39_000, 38_500),
    ],
)
def test_a_triggered_order_fills_at_the_markets_price(
    bot: LiveBridge, order_type: str, side: str, stop_price: int, target: int
) -> None:
    before, mark = bot.balances(), bot.mark()
    order = bot.place(side=side, type=order_type, quantity="0.2", stop_price=stop_price)
    assert (order.status, order.type, order.side) == ("open", order_type, side)
    assert (order.price, order.stop_price) == (None, stop_price)
    assert bot.balances() == before

    bot.pin(BTC, (40_000 + stop_price) // 2)
    assert bot.bridge.orders.get(order.id).status == "open"

    bot.steer(BTC, D(target))
    filled = bot.settled(order.id)
    bot.settle()
    assert (filled.type, filled.stop_price, filled.price) == (order_type, stop_price, None)
    assert (filled.average_price, filled.cost) == (target, target * D("0.2"))
    assert_booked(filled, before, bot.balances())
    assert bot.sink.story(mark) == FILLED


@pytest.mark.parametrize("order_type", ["stop_loss", "take_profit"])
def test_canceling_a_waiting_stop_leaves_the_balances_alone(
    bot: LiveBridge, order_type: str
) -> None:
    before = bot.balances()
    stop_price = 39_000 if order_type == "stop_loss" else 41_000
    order = bot.place(side="sell", type=order_type, quantity="0.2", stop_price=stop_price)
    assert bot.bridge.orders.cancel(order.id).status == "canceled"
    bot.pin(BTC, 38_500 if order_type == "stop_loss" else 41_500)
    assert bot.bridge.orders.get(order.id).status == "canceled"
    assert bot.balances() == before


@pytest.mark.parametrize("side", ["sell", "buy"])
def test_a_stop_whose_funds_are_gone_is_rejected_and_changes_nothing(
    bot: LiveBridge, side: str
) -> None:
    held = bot.balances()
    most = (held["USDT"].total / 41_000).quantize(D("0.001"))
    whole = held["BTC"].total if side == "sell" else most
    stop_price, target = (39_000, 38_500) if side == "sell" else (41_000, 41_500)
    order = bot.place(side=side, type="stop_loss", quantity=whole, stop_price=stop_price)
    spent = bot.place(side=side, type="market", quantity="1")
    bot.settle()
    before, mark = bot.balances(), bot.mark()

    bot.steer(BTC, D(target))
    rejected = bot.settled(order.id, "rejected")
    assert (rejected.filled, rejected.cost, rejected.fee) == (0, 0, None)
    bot.settle()
    assert bot.balances() == before
    assert bot.sink.names(mark) == ["order_canceled"]
    assert [trade["order_id"] for trade in bot.trades(limit=1)] == [spent.id]
    assert bot.orders() == []


def test_the_trade_of_an_order_tells_the_same_as_the_order(bot: LiveBridge) -> None:
    order = bot.place(side="buy", quantity="0.3", client_order_id="my-7")
    trade = bot.bridge.trades.get(bot.trades(limit=1)[0]["id"])
    assert (trade.order_id, trade.client_order_id) == (order.id, "my-7")
    assert (trade.symbol, trade.side, trade.exchange) == (BTC, "buy", "sandbox")
    assert (trade.price, trade.quantity, trade.cost) == (40_000, D("0.3"), 12_000)
    assert trade.fee == order.fee
    assert trade.liquidity == "taker"
    assert order.created_at.replace(microsecond=0) <= trade.executed_at


def test_a_resting_limit_order_makes_and_a_crossing_one_takes(bot: LiveBridge) -> None:
    resting = bot.place(side="buy", type="limit", quantity="0.1", price=39_000)
    bot.pin(BTC, 38_900)
    bot.settled(resting.id)
    crossing = bot.place(side="buy", type="limit", quantity="0.1", price=45_000)
    liquidity = {trade["order_id"]: trade["liquidity"] for trade in bot.trades(limit=2)}
    assert liquidity == {resting.id: "maker", crossing.id: "taker"}


def test_an_order_can_be_read_again_by_its_id(bot: LiveBridge) -> None:
    order = bot.place(side="buy", type="limit", quantity="0.1", price=39_000)
    assert bot.bridge.orders.get(order.id) == order
    canceled = bot.bridge.orders.cancel(order.id)
    assert bot.bridge.orders.get(order.id) == canceled


def test_an_order_that_has_ended_cannot_be_canceled(bot: LiveBridge) -> None:
    filled = bot.place(side="buy", quantity="0.1")
    canceled = bot.place(side="buy", type="limit", quantity="0.1", price=39_000)
    bot.bridge.orders.cancel(canceled.id)
    bot.settle()
    before, mark = bot.balances(), bot.mark()
    for order in (filled, canceled):
        with pytest.raises(OrderNotOpen):
            bot.bridge.orders.cancel(order.id)
    bot.settle()
    assert bot.balances() == before
    assert bot.sink.names(mark) == []


def test_an_unknown_order_is_not_found(bot: LiveBridge) -> None:
    with pytest.raises(OrderNotFound):
        bot.bridge.orders.get("nope")
    with pytest.raises(OrderNotFound):
        bot.bridge.orders.cancel("nope")


def test_a_stop_limit_whose_limit_is_changed_waits_for_the_same_price(bot: LiveBridge) -> None:
    stop = bot.place(
        side="sell", type="stop_limit", quantity="0.1", stop_price="39000", price="38000"
    )
    changed = bot.bridge.orders.change(stop.id, OrderChange(price="37000")).order
    assert (changed.stop_price, changed.price) == (D(39_000), D(37_000))
    bot.pin(BTC, 38_900)
    assert bot.settled(stop.id).average_price == D(38_900)
