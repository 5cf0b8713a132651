"""The typed adapter of an exchange, against a real OctoBot on the sandbox."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from backend.bridge.octobot.exchange import Channel, Exchange
from backend.bridge.octobot.exchange_orders import OrderKind
from backend.bridge.octobot.order import Create, OctoBotOrder
from backend.bridge.octobot.order_errors import creation_refused
from backend.bridge.octobot.order_kinds import LiveOrderMapping, PaperOrderMapping
from backend.bridge.orders.factory import new_order
from backend.errors import ExchangeRefused, InsufficientFunds, InvalidSymbol
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Fee, NewOrder, Order
from tests.bridge import futures_trader
from tests.bridge.futures_trader import Trader
from tests.bridge.live_bridge import BTC, PRICES, START, SYMBOLS, LiveBridge, make_settings
from tests.waiting import shutting_down, wait_until

Work = Callable[[Exchange], Awaitable[Any]]
FAR = Decimal(30_000)
"""A price at which a buy order rests."""


def run(live: LiveBridge, work: Work) -> Any:
    """Do something with the bot's exchange on the bot's loop."""
    runner = live.bridge._context.runner

    async def on_the_loop() -> Any:
        return await work(runner.exchange(None))

    return runner.executor.run(on_the_loop)


def ask(live: LiveBridge, question: Callable[[Exchange], Any]) -> Any:
    """Return what the exchange answers at once."""

    async def work(exchange: Exchange) -> Any:
        return question(exchange)

    return run(live, work)


def order(**fields: Any) -> Order:
    """Return an order that was not placed yet: a limit buy that rests, unless told otherwise."""
    asked = {"symbol": BTC, "side": "buy", "type": "limit", "quantity": "0.01", "price": FAR}
    return new_order(NewOrder.model_validate({**asked, **fields}), str(uuid.uuid4()), "sandbox")


def build(exchange: Exchange, asked: Order, kind: OrderKind = "limit") -> OctoBotOrder:
    price = asked.price or asked.stop_price or PRICES[BTC]
    return exchange.orders.build(
        asked, kind, market_price=PRICES[BTC], price=price, trigger_above=None
    )


def test_an_exchange_knows_what_it_is(bot: LiveBridge) -> None:
    facts = ask(bot, lambda e: (e.name, e.is_futures, e.is_ready, sorted(e.symbols)))
    assert facts == ("sandbox", False, True, sorted(SYMBOLS))
    assert isinstance(ask(bot, lambda e: e.order_mapping), PaperOrderMapping)
    assert "1h" in ask(bot, lambda e: e.intervals)
    assert ask(bot, lambda e: e.account.reference_market) == "USDT"


def test_rules_are_the_exchanges(bot: LiveBridge) -> None:
    rules = ask(bot, lambda e: e.rules(BTC))
    assert (rules.exchange, rules.symbol, rules.base, rules.quote) == (
        "sandbox",
        BTC,
        "BTC",
        "USDT",
    )
    assert rules.price_step > 0
    assert ask(bot, lambda e: e.orders.adapt_quantity(BTC, Decimal("1.000000001"))) == 1


def test_the_price_is_the_newest_trades(bot: LiveBridge) -> None:
    assert ask(bot, lambda e: e.price(BTC)) == PRICES[BTC]
    assert run(bot, lambda e: e.market.wait_for_price(BTC)) == PRICES[BTC]
    with pytest.raises(InvalidSymbol, match="DOGE/USDT is not traded on sandbox"):
        run(bot, lambda e: e.market.wait_for_price("DOGE/USDT"))


def test_market_data_is_asked_from_the_exchange(bot: LiveBridge) -> None:
    assert Decimal(str(run(bot, lambda e: e.market.ticker(BTC))["last"])) == PRICES[BTC]
    assert set(run(bot, lambda e: e.market.tickers(SYMBOLS))) >= set(SYMBOLS)
    candles = run(bot, lambda e: e.market.candles(BTC, "1h", 3))
    assert [len(row) for row in candles[-3:]] == [6, 6, 6]
    book = run(bot, lambda e: e.market.order_book(BTC, 5))
    assert book["bids"][0][0] < PRICES[BTC] < book["asks"][0][0]


def test_a_resting_order_locks_its_cost_until_it_is_canceled(bot: LiveBridge) -> None:
    free = ask(bot, lambda e: e.account.available("USDT"))
    asked = order()

    async def place(exchange: Exchange) -> Any:
        created = await exchange.orders.place(build(exchange, asked))
        held = exchange.orders.get(asked.id)
        return created is held, held in exchange.orders.open(BTC), held in exchange.orders.all()

    assert run(bot, place) == (True, True, True)
    locked = asked.quantity * FAR
    assert free - ask(bot, lambda e: e.account.available("USDT")) >= locked
    balances = ask(bot, lambda e: {row.asset: row for row in e.account.balances()})
    assert balances["USDT"].total == ask(bot, lambda e: e.account.totals())["USDT"]
    assert balances["USDT"].locked >= locked

    async def cancel(exchange: Exchange) -> bool:
        held = exchange.orders.find(asked.id, None)
        assert held is not None
        return await exchange.orders.cancel(held)

    assert run(bot, cancel) is True
    assert ask(bot, lambda e: e.orders.get(asked.id)) is None
    assert ask(bot, lambda e: e.account.available("USDT")) == free


def test_an_order_is_found_by_the_exchanges_id(bot: LiveBridge) -> None:
    asked = order()

    async def place(exchange: Exchange) -> Any:
        created = await exchange.orders.place(build(exchange, asked))
        exchange_id = created.exchange_order_id
        by_exchange_id = exchange.orders.find("another", exchange_id)
        await exchange.orders.cancel(created)
        return by_exchange_id is created, exchange.orders.by_exchange_id("no such id")

    assert run(bot, place) == (True, None)


def test_amending_changes_the_order_in_place(bot: LiveBridge) -> None:
    asked = order()

    async def amend(exchange: Exchange) -> Any:
        created = await exchange.orders.place(build(exchange, asked))
        await exchange.orders.amend(created, quantity=Decimal("0.02"), price=FAR + 100)
        values = (created.origin_quantity, created.origin_price, created.can_be_edited())
        await exchange.orders.cancel(created)
        return values

    assert run(bot, amend) == (Decimal("0.02"), FAR + 100, True)


def test_an_order_without_the_funds_is_refused_and_can_be_dropped(bot: LiveBridge) -> None:
    asked = order(quantity=START["USDT"])

    async def place(exchange: Exchange) -> None:
        built = build(exchange, asked)
        try:
            await exchange.orders.place(built)
        finally:
            exchange.orders.drop(built)

    with pytest.raises(InsufficientFunds, match="not enough USDT"):
        run(bot, place)
    assert ask(bot, lambda e: e.orders.get(asked.id)) is None


def test_an_interceptor_may_refuse_an_order(bot: LiveBridge) -> None:
    async def refuse(order: OctoBotOrder, create: Create, *, loaded: bool) -> OctoBotOrder | None:
        if order.to_dict()["tag"] == "to refuse" and not loaded:
            raise creation_refused("not today")
        return await create()

    async def place(exchange: Exchange) -> None:
        exchange.orders.intercept_creation(refuse)
        await exchange.orders.place(build(exchange, order(tag="to refuse")))

    with pytest.raises(ExchangeRefused):
        run(bot, place)
    assert bot.orders(status="open") == []


def test_fees_are_the_simulators(bot: LiveBridge) -> None:
    one = Decimal(1)
    of_buy = ask(
        bot,
        lambda e: e.orders.expected_fee(BTC, "limit", "buy", one, PRICES[BTC], is_maker=False),
    )
    of_sell = ask(
        bot,
        lambda e: e.orders.expected_fee(BTC, "limit", "sell", one, PRICES[BTC], is_maker=True),
    )
    assert of_buy == Fee(cost=Decimal("0.001"), currency="BTC")
    assert of_sell == Fee(cost=Decimal(40), currency="USDT")


def test_octobots_orders_have_all_that_the_bridge_reads_of_them(bot: LiveBridge) -> None:
    names = {name for name in vars(OctoBotOrder) if not name.startswith("_")}
    names |= set(OctoBotOrder.__annotations__)
    assert {"order_id", "to_dict", "on_fill"} <= names
    built = ask(bot, lambda e: build(e, order(type="stop_loss", price=None, stop_price=FAR)))
    assert [name for name in sorted(names) if not hasattr(built, name)] == []


def test_a_channel_calls_its_consumers(bot: LiveBridge) -> None:
    told: list[dict[str, Any]] = []

    async def on_price(**told_with: Any) -> None:
        told.append(told_with)

    run(bot, lambda e: e.consume(Channel.MARK_PRICE, on_price))
    bot.pin(BTC, 41_000)
    assert wait_until(lambda: any(row["symbol"] == BTC for row in told))
    assert {row["exchange"] for row in told} == {"sandbox"}


def test_a_paper_account_takes_other_balances(bot: LiveBridge) -> None:
    before = ask(bot, lambda e: e.account.totals())
    ask(bot, lambda e: e.account.replace_balances({"USDT": Decimal(7)}))
    assert ask(bot, lambda e: e.account.totals()) == {"USDT": 7}
    ask(bot, lambda e: e.account.replace_balances(before))
    assert ask(bot, lambda e: e.account.totals()) == before


def test_a_position_is_read_from_the_account(trader: Trader) -> None:
    trader.trade("buy", "0.5")
    symbol = futures_trader.BTC
    assert ask(trader, lambda e: e.is_futures and not e.account.is_inverse(symbol)) is True
    assert ask(trader, lambda e: e.account.position_size(symbol)) == Decimal("0.5")
    held = ask(trader, lambda e: e.account.contract_position(symbol))
    assert (held.quantity, held.cost, held.leverage) == (Decimal("0.5"), 20_000, 10)
    position = ask(trader, lambda e: e.account.position(symbol, e.price(symbol)))
    assert (position.side, position.quantity, position.entry_price) == (
        "long",
        Decimal("0.5"),
        futures_trader.PRICES[symbol],
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBridge]:
    """A running bot with a real account at the sandbox."""
    settings = make_settings(tmp_path_factory.mktemp("real"), trading="real")
    with shutting_down(LiveBridge(settings)) as live:
        yield live.boot().pin_all()


def look_up(live: LiveBridge, order: Order, exchange_id: str | None = None) -> Any:
    """Look an order up at the exchange, by its id there or by ours."""
    tracking = OrderTracking(exchange_id=exchange_id)
    return run(live, lambda e: e.lookup.look_up(order, tracking, lambda _: False))


def test_a_real_order_is_looked_up_by_either_id(real: LiveBridge) -> None:
    placed = real.place(type="limit", price=FAR)
    exchange_id = ask(real, lambda e: e.orders.get(placed.id).exchange_order_id)
    by_ours, by_theirs = look_up(real, placed), look_up(real, placed, exchange_id)
    assert by_ours.exchange_id == by_theirs.exchange_id == exchange_id
    assert (by_ours.order.id, by_ours.order.status) == (placed.id, "open")
    assert look_up(real, order()) is None
    real.cancel_all()
    assert look_up(real, placed).order.status == "canceled"


def test_a_real_account_is_known_once_it_was_read(real: LiveBridge) -> None:
    assert isinstance(ask(real, lambda e: e.order_mapping), LiveOrderMapping)
    assert ask(real, lambda e: e.account.is_known) is True
    run(real, lambda e: e.account.refresh_balances())
    assert ask(real, lambda e: e.account.available("USDT")) > 0
