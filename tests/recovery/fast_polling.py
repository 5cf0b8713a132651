"""Shorter intervals at which OctoBot polls a real exchange for open orders and their fills."""

from __future__ import annotations

from octobot_trading.personal_data import OrdersUpdater

OFTEN = {
    "ORDERS_STARTING_REFRESH_TIME": 0.1,  # 10 s
    "OPEN_ORDER_REFRESH_TIME": 0.3,  # 7 s
    "TIME_BETWEEN_ORDERS_REFRESH": 0.1,  # 2 s
}


def ask_often() -> None:
    """Shorten the polling intervals of this process."""
    for name, seconds in OFTEN.items():
        setattr(OrdersUpdater, name, seconds)
