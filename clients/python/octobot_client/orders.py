"""Orders: place, change, cancel, list."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from octobot_client.models import Order, build
from octobot_client.session import PAGE, Session
from octobot_client.values import Number, cleaned, money, path_id


class Orders:
    """The orders of a user's server; `client.orders`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        symbol: str,
        side: str,
        type: str,
        quantity: Number,
        *,
        price: Number | None = None,
        stop_price: Number | None = None,
        take_profit: Number | None = None,
        stop_loss: Number | None = None,
        idempotency_key: str | None = None,
        **more: object,
    ) -> Order:
        """Place an order and return it as it stands right then.

        It is sent again when the connection breaks, and bought once all the same: by
        `idempotency_key`, or by one made up here. `take_profit` and `stop_loss` are prices
        of exits to place on its fill; `more` is what else the server takes
        (`exchange`, `client_order_id`, `tag`, `reduce_only`, `time_in_force`, `post_only`,
        `valid_until`).
        """
        body: dict[str, object] = {
            "symbol": symbol,
            "side": side,
            "type": type,
            **_amounts(quantity=quantity, price=price, stop_price=stop_price),
            **more,
        }
        if take_profit is not None:
            body["take_profit"] = {"price": money(take_profit)}
        if stop_loss is not None:
            body["stop_loss"] = {"stop_price": money(stop_loss)}
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        answer = self._session.request("POST", "/orders", json=body, headers=headers, is_safe=True)
        return build(Order, answer["data"])

    def get(self, order_id: str) -> Order:
        """Return an order, open or ended."""
        return build(Order, self._session.request("GET", f"/orders/{path_id(order_id)}")["data"])

    def edit(
        self,
        order_id: str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
    ) -> Order:
        """Change an open order; where the exchange replaces it, the new one comes back."""
        body = _amounts(quantity=quantity, price=price, stop_price=stop_price)
        answer = self._session.request("PATCH", f"/orders/{path_id(order_id)}", json=body)
        return build(Order, answer["data"]["order"])

    def cancel(self, order_id: str) -> Order:
        """Cancel an open order and return it as it ended: a fill that was faster wins."""
        answer = self._session.request("DELETE", f"/orders/{path_id(order_id)}")
        return build(Order, answer["data"])

    def cancel_all(
        self, *, symbol: str | None = None, side: str | None = None
    ) -> list[Mapping[str, Any]]:
        """Cancel all open orders, or those of a symbol or side; each has its own outcome."""
        params = cleaned({"symbol": symbol, "side": side})
        found: list[Mapping[str, Any]] = self._session.request("DELETE", "/orders", params=params)[
            "data"
        ]
        return found

    def list(
        self,
        status: str = "open",
        *,
        symbol: str | None = None,
        side: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        client_order_id: str | None = None,
        page_size: int = PAGE,
    ) -> Iterator[Order]:
        """Yield orders, newest first, a page at a time; `status` is open, closed or all."""
        params = cleaned(
            {
                "status": status,
                "symbol": symbol,
                "side": side,
                "since": since,
                "until": until,
                "client_order_id": client_order_id,
            }
        )
        return (build(Order, row) for row in self._session.pages("/orders", params, page_size))


def _amounts(**amounts: Number | None) -> dict[str, str]:
    return {name: money(value) for name, value in amounts.items() if value is not None}
