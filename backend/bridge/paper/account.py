"""A paper account after a restart: its balances and open orders put back into the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors

from backend.bridge.ledger.bracket_state import has_sibling_ended
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.conversion import last_price
from backend.bridge.orders.brackets import chain_exits, less_fee
from backend.bridge.orders.execution import drop
from backend.bridge.orders.factory import build
from backend.bridge.orders.oco import oco_group_of
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order


def restore_balances(manager: Any, balances: Mapping[str, Decimal]) -> None:
    """Set the simulated balances, all available: open orders lock theirs anew."""
    portfolio = manager.exchange_personal_data.portfolio_manager
    portfolio.portfolio.reset()
    portfolio.set_forced_portfolio_initial_config(dict(balances))
    portfolio.apply_forced_portfolio()


async def restore_orders(manager: Any, ledger: Ledger) -> None:
    """Place the ledger's open orders again in the simulator, which forgets them at each stop."""
    mine = [entry.item for entry in reversed(ledger.open_orders)]
    unplaced = ledger.create_missing_exits(manager.exchange_name)
    mine += [ledger.update(less_fee(manager, ledger, order), "amended") for order in unplaced]
    for order in (order for order in mine if order.exchange == manager.exchange_name):
        tracking = ledger.tracking_of(order.id)
        if has_sibling_ended(order, ledger.orders):
            ledger.apply_event(order.id, "withdrawn")
            continue
        price = last_price(manager, order.symbol) or order.stop_price or order.price
        if price is None or not await _place_again(manager, ledger, order, price, tracking):
            ledger.apply_event(order.id, "refused")


async def _place_again(
    manager: Any, ledger: Ledger, order: Order, price: Decimal, tracking: OrderTracking
) -> bool:
    as_limit = order.model_copy(update={"type": "limit", "stop_price": None})
    # a resting order is put back as it was; whether the market has crossed it
    # meanwhile is for the next price to say
    instance = build(manager, as_limit if tracking.is_triggered else order, price, resting=True)
    if tracking.group is not None:
        instance.add_to_order_group(oco_group_of(manager, ledger, tracking.group))
    await chain_exits(manager, instance, tracking.exits, ledger)
    try:
        created = await manager.trader.create_order(instance, raise_all_creation_error=True)
    except (trading_errors.OctoBotExchangeError, trading_errors.PortfolioNegativeValueError):
        drop(manager, instance)
        return False
    return created is not None
