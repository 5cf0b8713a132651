"""OCO group of an entry's two exits: one is canceled when the other fills."""

from __future__ import annotations

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OrderGroup


def oco_group_of(exchange: Exchange, ledger: Ledger, entry_id: str) -> OrderGroup:
    """Return the group of an entry's exits; in paper trading it reports its fills to the ledger."""
    return exchange.orders.oco_group(entry_id, exchange.order_mapping.fill_listener(ledger))
