"""Keeps OctoBot from watching again, on its own, the stops that it watched before a restart."""

from __future__ import annotations

from typing import Any

from octobot_trading.constants import STORAGE_ORIGIN_VALUE
from octobot_trading.enums import ExchangeConstantsOrderColumns as Col
from octobot_trading.enums import StoredOrdersAttr
from octobot_trading.storage import OrdersStorage

_startup_orders = OrdersStorage.get_all_virtual_startup_orders


def keep_from_restoring() -> None:
    """Have OctoBot leave our stops to `Exits.put_back`, which knows what became of them.

    OctoBot would watch at once what it wrote down last, also a stop that was sent since.
    """
    OrdersStorage.get_all_virtual_startup_orders = _without_ours


def is_ours(creation_params: Any, order_id: Any) -> bool:
    """Tell an order that `build` made from a strategy's: it bears its own id for the exchange."""
    return bool(creation_params) and creation_params.get("clientOrderId") == order_id


def _without_ours(storage: Any) -> list[Any]:
    return [order for order in _startup_orders(storage) if not _is_our_row(order)]


def _is_our_row(row: Any) -> bool:
    params = row.get(StoredOrdersAttr.EXCHANGE_CREATION_PARAMS.value)
    return is_ours(params, row.get(STORAGE_ORIGIN_VALUE, {}).get(Col.ID.value))
