"""Settles the orders whose outcome nobody told: after a crash, or after a lost answer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.live.bracket_exits import BracketExits
from backend.bridge.live.triggered_stops import TriggeredStops
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.bridge.orders.lookup import settle
from backend.schemas.orders import Order

_EVERY_S = 1.0
GIVE_UP_AFTER_S = 30.0
log = logging.getLogger(__name__)


def doubt_what_is_missing(exchange: Exchange, ledger: Ledger) -> None:
    """Enter as unknown what was open before, and is not among what the exchange has open now."""
    held = {str(order.exchange_order_id) for order in exchange.orders.all()}
    for entry in ledger.open_orders:
        order, exchange_id = entry.item, ledger.tracking_of(entry.item.id).exchange_id
        if order.exchange != exchange.name or exchange.orders.get(order.id) is not None:
            continue
        if ledger.is_unsent(order.id):
            continue
        if str(exchange_id) not in held:
            ledger.apply_event(order.id, "outcome_unknown")


async def keep_settling(
    exchange: Exchange,
    ledger: Ledger,
    exits: BracketExits,
    stops: TriggeredStops,
    give_up_after_s: float,
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
            await _settle_all(exchange, ledger, exits, missing_since, give_up_after_s)
            _mirror_changed(exchange, ledger)
            await exits.look_after()
            stops.send_due()
        except Exception:  # nobody else settles anything: it goes on
            log.exception("what became of orders could not be settled")
        await asyncio.sleep(_EVERY_S)


async def _settle_all(
    exchange: Exchange,
    ledger: Ledger,
    exits: BracketExits,
    missing_since: dict[str, float],
    give_up_after_s: float,
) -> None:
    for entry in ledger.open_orders:
        order = entry.item
        if order.status == "unknown" and order.exchange == exchange.name:
            await _settle(exchange, ledger, order, missing_since, give_up_after_s)
            settled = ledger.orders.get(order.id)
            if settled is not None:
                await exits.attach(settled.item)
            ledger.retry_unmatched(
                [(held.to_dict(), exchange.name) for held in exchange.orders.all()]
            )


def _mirror_changed(exchange: Exchange, ledger: Ledger) -> None:
    """Take in how OctoBot has the orders that were changed: not all that it reads it tells."""
    for entry in ledger.open_orders:
        tracking = ledger.tracking_of(entry.item.id)
        if tracking.exchange_id and tracking.is_edited and entry.item.exchange == exchange.name:
            held = exchange.orders.by_exchange_id(tracking.exchange_id)
            if held is not None:
                ledger.record_order(held.to_dict(), exchange.name)


async def _settle(
    exchange: Exchange,
    ledger: Ledger,
    order: Order,
    missing_since: dict[str, float],
    give_up_after_s: float,
) -> None:
    is_known = ledger.tracking_of(order.id).exchange_id is not None
    try:
        is_found = await settle(exchange, ledger, order)
    except LookUpFailed as error:
        log.warning("order %s cannot be looked up: %s", order.id, error)
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
