"""Topics of the streams, and which of them are journalled."""

from __future__ import annotations

from typing import Literal

Topic = Literal[
    "prices",
    "candles",
    "order_book",
    "orders",
    "trades",
    "positions",
    "portfolio",
    "bot",
    "evaluators",
    "notifications",
    "logs",
]


JOURNALLED: frozenset[Topic] = frozenset({"orders", "trades", "positions"})
