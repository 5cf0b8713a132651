"""Index of our order ids by the exchange's: OctoBot gives new ids to orders that it reloads."""

from __future__ import annotations

from collections.abc import Callable

from backend.bridge.octobot.conversion import exchange_id_of, id_of, order_id_of
from backend.bridge.octobot.order import RawOrder


class OrderIds:
    """Our ids by the exchange's; `is_ours` distinguishes our ids from OctoBot's."""

    def __init__(self, is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._by_exchange_id: dict[str, str] = {}
        self._exchange_ids: dict[str, str] = {}

    def bind(self, exchange_id: object, order_id: str) -> None:
        """Map the exchange's id of an order, if it has one, to ours."""
        if exchange_id:
            self._by_exchange_id[str(exchange_id)] = order_id
            self._exchange_ids[order_id] = str(exchange_id)

    def exchange_id(self, order_id: str) -> str | None:
        """Return the newest id of an order of ours at its exchange, None while it has none."""
        return self._exchange_ids.get(order_id)

    def of_exchange_id(self, exchange_id: str) -> str | None:
        """Return our id of an order that the exchange names, None if it is not mapped."""
        return self._by_exchange_id.get(exchange_id)

    def is_bound(self, exchange_id: str) -> bool:
        """Return whether an id of the exchange is mapped."""
        return exchange_id in self._by_exchange_id

    def knows(self, raw: RawOrder) -> bool:
        """Return whether the exchange's id of an order or a trade is mapped."""
        return exchange_id_of(raw) in self._by_exchange_id

    def of_order(self, raw: RawOrder) -> str:
        """Return our id of an order."""
        order_id = id_of(raw)
        if self._is_ours(order_id):
            return order_id
        return self._by_exchange_id.get(exchange_id_of(raw) or "", order_id)

    def of_trade(self, raw: RawOrder) -> str:
        """Return our id of the order that a trade filled."""
        order_id = order_id_of(raw)
        if self._is_ours(order_id):
            return order_id
        exchange_id = exchange_id_of(raw) or order_id
        return self._by_exchange_id.get(exchange_id, exchange_id)
