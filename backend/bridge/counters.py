"""Counters of orders and exchange errors since the start of the process, for the metrics."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from backend.errors import BridgeError
from backend.schemas.orders import NewOrder


class Counters:
    """Monotonic counters, written on the bot's loop; other threads read copies.

    `placed` is by type and side, `refused` by the error's type, `exchange_errors` by
    exchange, call and ccxt's name of the error. No key contains user input.
    """

    def __init__(self) -> None:
        self.placed: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.exchange_errors: Counter[tuple[str, str, str]] = Counter()

    @contextlib.contextmanager
    def placing(self, asked: NewOrder) -> Iterator[None]:
        """Count an order as placed, or as refused if a `BridgeError` is raised."""
        try:
            yield
        except BridgeError as error:
            self.refused[error.type] += 1
            raise
        self.placed[asked.type, asked.side] += 1
