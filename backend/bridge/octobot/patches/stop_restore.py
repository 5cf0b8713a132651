"""Patch that keeps OctoBot from restoring our stops after a restart: `live/bracket_exits` does.

In 2.0.15 and 2.1.1 it would watch at once the orders that it stored last, also a stop
that was sent since. The patch stays for as long as the ledger restores orders;
tests/recovery/test_triggered_stops.py shows stops sold once.
"""

from __future__ import annotations

from typing import Any

from octobot_trading.constants import STORAGE_ORIGIN_VALUE
from octobot_trading.enums import ExchangeConstantsOrderColumns as Col
from octobot_trading.enums import StoredOrdersAttr
from octobot_trading.storage import OrdersStorage

from backend.bridge.octobot.client_order_ids import are_params_of

_startup_orders = OrdersStorage.get_all_virtual_startup_orders


def leave_our_stops() -> None:
    """Filter our stops out of the orders that OctoBot restores at its start."""
    OrdersStorage.get_all_virtual_startup_orders = _without_ours


def is_ours(creation_params: Any, order_id: Any) -> bool:
    """Return whether an order is ours and not a strategy's: it sends its id to the exchange."""
    return bool(creation_params) and are_params_of(str(order_id), creation_params)


def _without_ours(storage: Any) -> list[Any]:
    return [order for order in _startup_orders(storage) if not _is_our_row(order)]


def _is_our_row(row: Any) -> bool:
    params = row.get(StoredOrdersAttr.EXCHANGE_CREATION_PARAMS.value)
    return is_ours(params, row.get(STORAGE_ORIGIN_VALUE, {}).get(Col.ID.value))
