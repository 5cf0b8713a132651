"""Enforcement of risk limits on orders."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import octobot.commands
import octobot_trading.api
import octobot_trading.errors as trading_errors
import octobot_trading.personal_data as personal_data
import pytest
from octobot_trading.enums import TraderOrderType

from backend.errors import OrderRefused
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import (
    BTC,
    CROSS,
    ETH,
    TIMEOUT_S,
    LiveBridge,
    new_order,
    run_concurrently,
    wait_until,
)

D = Decimal


def limit(app_with_bot: AppWithBot, **values: Any) -> None:
    app_with_bot.admin.patch("/risk", values)


def refused(live: LiveBridge, **fields: Any) -> OrderRefused:
    before = (live.totals(), len(live.orders()))
    with pytest.raises(OrderRefused) as caught:
        live.place(**fields)
    assert (live.totals(), len(live.orders())) == before
    return caught.value


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ({"quantity": "0.0251"}, "1004"),
        ({"side": "sell", "quantity": "0.0251"}, "1004"),
        ({"type": "limit", "quantity": "0.0501", "price": "20000"}, "1002"),
        # sold at the market, whatever the limit says
        ({"side": "sell", "type": "limit", "quantity": "0.0251", "price": "1"}, "1004"),
        ({"side": "sell", "type": "limit", "quantity": "0.02", "price": "50100"}, "1002"),
        (
            {"side": "sell", "type": "stop_loss", "quantity": "0.0501", "stop_price": "20000"},
            "1002",
        ),
        (
            {
                "side": "sell",
                "type": "take_profit_limit",
                "quantity": "0.0201",
                "stop_price": "50000",
                "price": "1",
            },
            "1005",
        ),
        # in the reference market: 0.1 BTC
        ({"symbol": CROSS, "quantity": "2.1"}, "4200"),
    ],
)
def test_an_order_worth_too_much_is_refused(
    app_with_bot: AppWithBot, order: dict[str, Any], value: str
) -> None:
    limit(app_with_bot, max_order_value="1000")
    error = refused(app_with_bot.live, **order)
    assert (error.status, error.type) == (422, "risk_max_order_value")
    assert error.details == f"max_order_value is 1000, the order's value is {value}"


def test_an_order_worth_the_limit_passes(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_order_value="1000")
    assert app_with_bot.live.place(quantity="0.025").status == "filled"
    assert app_with_bot.live.place(type="limit", quantity="0.05", price="20000").status == "open"


def test_the_answer_names_limit_and_value(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_order_value="1000")
    body = {"symbol": BTC, "side": "buy", "type": "market", "quantity": "1"}
    problem = app_with_bot.trader.post("/orders", body, expect=422)
    assert (problem["type"], problem["details"]) == (
        "risk_max_order_value",
        "max_order_value is 1000, the order's value is 40000",
    )


def test_only_allowed_symbols_are_traded(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, symbols=[ETH])
    assert refused(app_with_bot.live).type == "risk_symbols"
    assert app_with_bot.live.place(symbol=ETH, quantity="0.1").status == "filled"


def resting(**fields: Any) -> dict[str, Any]:
    return {"type": "limit", "quantity": "0.001", "price": "20000", **fields}


def test_no_more_orders_are_open_than_the_limit_allows(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_open_orders=2)
    orders = [app_with_bot.live.place(**resting()) for _ in range(2)]
    error = refused(app_with_bot.live, **resting())
    assert (error.type, error.details) == (
        "risk_max_open_orders",
        "max_open_orders is 2, with this order 3 would be open",
    )
    app_with_bot.live.place(quantity="0.001")  # a market order does not stay open
    app_with_bot.live.bridge.orders.cancel(orders[0].id)
    assert app_with_bot.live.place(**resting()).status == "open"


def test_exits_count_as_open_orders(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_open_orders=1)
    exits = {"take_profit": {"price": "50000"}, "stop_loss": {"stop_price": "30000"}}
    assert refused(app_with_bot.live, **exits).type == "risk_max_open_orders"
    limit(app_with_bot, max_open_orders=2)
    assert app_with_bot.live.place(**exits).status == "filled"
    assert wait_until(lambda: len(app_with_bot.live.orders()) == 2)


@pytest.mark.parametrize("attempt", range(3))
def test_of_many_orders_at_once_no_more_are_open_than_allowed(
    app_with_bot: AppWithBot, attempt: int
) -> None:
    limit(app_with_bot, max_open_orders=5)
    outcomes = run_concurrently([lambda: app_with_bot.live.place(**resting()) for _ in range(20)])
    errors = [outcome.type for outcome in outcomes if isinstance(outcome, OrderRefused)]
    assert errors == ["risk_max_open_orders"] * 15
    assert len(app_with_bot.live.orders()) == 5


def test_a_preview_names_each_limit(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_order_value="10", symbols=[ETH], max_open_orders=0)
    preview = app_with_bot.live.bridge.orders.preview(new_order(**resting()))
    assert not preview.accepted
    assert [refusal.type for refusal in preview.refusals] == [
        "risk_symbols",
        "risk_max_order_value",
        "risk_max_open_orders",
    ]


def test_an_open_order_cannot_grow_beyond_the_limit(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_order_value="100", max_open_orders=1)
    order = app_with_bot.live.place(**resting())
    change = {"quantity": "0.0051"}
    problem = app_with_bot.trader.patch(f"/orders/{order.id}", change, expect=422)
    assert problem["type"] == "risk_max_order_value"
    assert app_with_bot.live.orders()[0]["quantity"] == "0.001"
    app_with_bot.trader.patch(f"/orders/{order.id}", {"quantity": "0.005"})


def place_as_a_strategy(**fields: Any) -> Any:
    """Create an order through OctoBot, as its strategies do."""
    bot = octobot.commands.GLOBAL_BOT_INSTANCE  # another file's may run beside it
    loop, ids = bot.task_manager.async_loop, bot.exchange_producer.exchange_manager_ids
    (manager,) = octobot_trading.api.get_exchange_managers_from_exchange_ids(ids)

    async def create() -> Any:
        order = personal_data.create_order_instance(
            manager.trader,
            TraderOrderType.BUY_LIMIT,
            **{"symbol": BTC, "current_price": D(40000), "quantity": D("0.01"), **fields},
        )
        return await manager.trader.create_order(order, raise_all_creation_error=True)

    return asyncio.run_coroutine_threadsafe(create(), loop).result(TIMEOUT_S)


def test_a_strategys_orders_keep_to_the_limits_too(app_with_bot: AppWithBot) -> None:
    limit(app_with_bot, max_order_value="100", max_open_orders=1)
    with pytest.raises(trading_errors.OrderCreationError, match="max_order_value is 100"):
        place_as_a_strategy(price=D(20000))
    assert place_as_a_strategy(price=D(9000)) is not None
    with pytest.raises(trading_errors.OrderCreationError, match="max_open_orders is 1"):
        place_as_a_strategy(price=D(9000))
    assert wait_until(lambda: len(app_with_bot.live.orders()) == 1)
