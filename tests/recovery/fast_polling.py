"""Has OctoBot ask a real exchange for open orders, and so for fills, more often than it does."""

from __future__ import annotations

from octobot_trading.personal_data import OrdersUpdater

OFTEN = {
    "ORDERS_STARTING_REFRESH_TIME": 0.1,  # 10 s
    "OPEN_ORDER_REFRESH_TIME": 0.3,  # 7 s
    "TIME_BETWEEN_ORDERS_REFRESH": 0.1,  # 2 s
}


def ask_often() -> None:
    """Do so in this process, until it ends."""
    for name, seconds in OFTEN.items():
        setattr(OrdersUpdater, name, seconds)
