"""Settles the intents that an earlier process, or a lost answer, left without an outcome."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import octobot_trading.errors as trading_errors

from backend.bridge.ledger import Ledger
from backend.bridge.placing import new_order
from backend.schemas.journal import Intent, OrderJournal
from backend.schemas.orders import NewOrder, Order

log = logging.getLogger(__name__)


async def settle_intents(manager: Any, journal: OrderJournal, ledger: Ledger) -> None:
    """Find each open intent again, or mark it as never placed; none is sent again."""
    account = ledger.account(manager.exchange_name)
    for intent in await asyncio.to_thread(journal.open_intents, account):
        if ledger.orders.get(intent.order_id) is not None:
            continue
        order = _as_it_was_asked(intent, manager.exchange_name)
        if manager.is_trader_simulated:
            # the simulator's state is ours: what it did not tell us never happened
            ledger.lose(order)
        else:
            await _look_up(manager, ledger, order)


def _as_it_was_asked(intent: Intent, exchange: str) -> Order:
    asked = NewOrder.model_validate(dict(intent.asked))
    order = new_order(asked, intent.order_id, exchange)
    return order.model_copy(update={"created_at": intent.created_at})


async def _look_up(manager: Any, ledger: Ledger, order: Order) -> None:
    """Ask the exchange for an order that bears our id as its client id."""
    try:
        raw = await _find_on_exchange(manager, order)
    except trading_errors.OctoBotExchangeError:
        log.warning("order %s cannot be looked up: the exchange does not answer", order.id)
        ledger.create(order.model_copy(update={"status": "unknown"}), {"lookup": True})
        return
    if raw is None:
        ledger.lose(order)
    else:
        ledger.create(order, {"exchange_id": raw["id"]})


async def _find_on_exchange(manager: Any, order: Order) -> dict[str, Any] | None:
    exchange = manager.exchange
    for fetch in (exchange.get_open_orders, exchange.get_closed_orders):
        with contextlib.suppress(trading_errors.NotSupported):
            for raw in await fetch(symbol=order.symbol, limit=500) or ():
                if order.id in (raw.get("clientOrderId"), raw.get("client_order_id")):
                    return dict(raw)
    return None
