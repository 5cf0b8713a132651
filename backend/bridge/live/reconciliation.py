"""Settles the orders whose outcome nobody told: after a crash, or after a lost answer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.live.bracket_exits import BracketExits
from backend.bridge.live.triggered_stops import TriggeredStops
from backend.bridge.orders.lookup import UNANSWERED, held_by, settle
from backend.schemas.orders import Order

_EVERY_S = 1.0
GIVE_UP_AFTER_S = 30.0
log = logging.getLogger(__name__)


def doubt_what_is_missing(manager: Any, ledger: Ledger) -> None:
    """Enter as unknown what was open before, and is not among what the exchange has open now."""
    orders = manager.exchange_personal_data.orders_manager
    held = {str(order.exchange_order_id) for order in orders.get_all_orders()}
    for entry in ledger.open_orders:
        order, exchange_id = entry.item, ledger.tracking_of(entry.item.id).exchange_id
        if order.exchange != manager.exchange_name or orders.has_order(order.id):
            continue
        if ledger.is_unsent(order.id):
            continue
        if str(exchange_id) not in held:
            ledger.apply_event(order.id, "outcome_unknown")


async def keep_settling(
    manager: Any, ledger: Ledger, exits: BracketExits, stops: TriggeredStops, give_up_after_s: float
) -> None:
    """Look unknown orders up at the exchange until it says what became of them.

    One that a working exchange has not known for so long was never placed, unless the
    exchange has told its id before.
    """
    for entry in ledger.open_orders:
        await exits.attach(entry.item)
    missing_since: dict[str, float] = {}
    while True:
        try:
            await _settle_all(manager, ledger, exits, missing_since, give_up_after_s)
            _mirror_changed(manager, ledger)
            await exits.look_after()
            stops.send_due()
        except Exception:  # nobody else settles anything: it goes on
            log.exception("what became of orders could not be settled")
        await asyncio.sleep(_EVERY_S)


async def _settle_all(
    manager: Any,
    ledger: Ledger,
    exits: BracketExits,
    missing_since: dict[str, float],
    give_up_after_s: float,
) -> None:
    name = manager.exchange_name
    orders = manager.exchange_personal_data.orders_manager
    for entry in ledger.open_orders:
        order = entry.item
        if order.status == "unknown" and order.exchange == name:
            await _settle(manager, ledger, order, missing_since, give_up_after_s)
            settled = ledger.orders.get(order.id)
            if settled is not None:
                await exits.attach(settled.item)
            ledger.retry_unmatched([(held.to_dict(), name) for held in orders.get_all_orders()])


def _mirror_changed(manager: Any, ledger: Ledger) -> None:
    """Take in how OctoBot has the orders that were changed: not all that it reads it tells."""
    for entry in ledger.open_orders:
        tracking = ledger.tracking_of(entry.item.id)
        if (
            tracking.exchange_id
            and tracking.is_edited
            and entry.item.exchange == manager.exchange_name
        ):
            instance = held_by(manager, tracking.exchange_id)
            if instance is not None:
                ledger.record_order(instance.to_dict(), manager.exchange_name)


async def _settle(
    manager: Any,
    ledger: Ledger,
    order: Order,
    missing_since: dict[str, float],
    give_up_after_s: float,
) -> None:
    is_known = ledger.tracking_of(order.id).exchange_id is not None
    try:
        is_found = await settle(manager, ledger, order)
    except UNANSWERED as error:
        log.warning("order %s cannot be looked up: %s", order.id, type(error).__name__)
        missing_since.pop(order.id, None)
        return
    now = time.monotonic()
    if is_found or is_known:
        return
    if now - missing_since.setdefault(order.id, now) > give_up_after_s:
        del missing_since[order.id]
        tracking = ledger.tracking_of(order.id)
        if tracking.sending is not None:  # a stop that has triggered must get out: it is sent again
            ledger.apply_event(order.id, "requeued", replace(tracking, sending="due"))
        else:
            ledger.apply_event(order.id, "refused")
