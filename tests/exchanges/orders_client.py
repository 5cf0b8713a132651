"""Commands of the offline exchange's ccxt class: create, edit and cancel orders."""

from __future__ import annotations

import re
from decimal import Decimal

from ccxt.base.errors import (
    ArgumentsRequired,
    DuplicateOrderId,
    InvalidOrder,
    NotSupported,
    OrderImmediatelyFillable,
    OrderNotFound,
)

from tests.exchanges.client import OfflinePublic
from tests.exchanges.matching import accept, end, find_order, now_ms
from tests.exchanges.rows import Row, order_row
from tests.exchanges.state import Order, State

_TRIGGERS = {"stopLossPrice": "stop_loss", "takeProfitPrice": "take_profit"}


class OfflineCommands(OfflinePublic):
    """Commands on orders; their errors leave the account as it was."""

    async def create_order(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float | None = None,
        params: Row | None = None,
    ) -> Row:
        """Create an order; `params` as ccxt's manual names them."""
        await self.load_markets()
        self.check_required_credentials()

        def create(state: State) -> Row:
            order = self._new(state, symbol, type, side, amount, price, params or {})
            self._check(state, order)
            accept(state, order)
            self._apply_time_in_force(state, order)
            return self._answer(state, order)

        return await self.change("create_order", create)

    async def edit_order(
        self,
        id: str,
        symbol: str,
        type: str,
        side: str,
        amount: float | None = None,
        price: float | None = None,
        params: Row | None = None,
    ) -> Row:
        """Change an open order; where the exchange cannot, ccxt's own cancels and creates."""
        if not self.has["editOrder"]:
            return await super().edit_order(id, symbol, type, side, amount, price, params or {})
        await self.load_markets()

        def edit(state: State) -> Row:
            old = self._open(state, id)
            new = old.model_copy(deep=True)
            if amount is not None:
                new.amount = Decimal(self.amount_to_precision(symbol, amount))
            if price is not None and old.price is not None:
                new.price = Decimal(self.price_to_precision(symbol, price))
            trigger = _trigger_of(params or {})
            if trigger is not None:
                new.trigger = Decimal(self.price_to_precision(symbol, trigger[0]))
            if new.amount <= new.filled:
                raise InvalidOrder("offline the amount is executed already")
            end(state, old, "canceled")
            if state.behavior.edit_gives_new_id:
                new.id = state.next_id()
                new.amount -= new.filled
                new.filled = new.cost = Decimal(0)
            new.updated_ms = now_ms()
            accept(state, new)
            return self._answer(state, new)

        return await self.change("edit_order", edit)

    async def cancel_order(
        self, id: str, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Cancel an open order; raises OrderNotFound when it is not open."""
        await self.load_markets()

        def cancel(state: State) -> Row:
            order = self._open(state, (params or {}).get("clientOrderId") or id)
            end(state, order, "canceled")
            return self._answer(state, order)

        return await self.change("cancel_order", cancel)

    def _open(self, state: State, key: str) -> Order:
        order = find_order(state, key)
        if order.status != "open":
            raise OrderNotFound(f"offline order {key} is {order.status}")
        return order

    def _new(
        self,
        state: State,
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float | None,
        params: Row,
    ) -> Order:
        self.listing(state, symbol)
        if type not in ("market", "limit"):
            raise InvalidOrder(f"offline has no {type} orders")
        if type == "limit" and price is None:
            raise ArgumentsRequired("offline a limit order needs a price")
        unknown = {"stopLoss", "takeProfit", "trailingPercent", "trailingAmount"} & set(params)
        if unknown:
            raise NotSupported(f"offline takes no {sorted(unknown)}")
        trigger, at = _trigger_of(params), now_ms()
        order = Order(
            id=state.next_id(),
            client_id=params.get("clientOrderId"),
            symbol=symbol,
            side=side,
            type=type,
            amount=Decimal(self.amount_to_precision(symbol, amount)),
            price=Decimal(self.price_to_precision(symbol, price)) if type == "limit" else None,
            reduce_only=bool(params.get("reduceOnly")),
            post_only=bool(params.get("postOnly")),
            time_in_force=params.get("timeInForce"),
            created_ms=at,
            updated_ms=at,
        )
        if trigger is not None:
            order.trigger = Decimal(self.price_to_precision(symbol, trigger[0]))
            above = order.trigger > state.prices[symbol]
            kind = "stop_loss" if above == (side == "buy") else "take_profit"
            order.trigger_kind = trigger[1] or kind
        return order

    def _check(self, state: State, order: Order) -> None:
        """Raise what the exchange refuses; nothing is booked yet."""
        listing, price = state.listings[order.symbol], state.prices[order.symbol]
        if order.client_id is not None:
            self._check_client_id(state, order.client_id)
        if order.amount < listing.min_amount and listing.limits:
            raise InvalidOrder(f"offline amount {order.amount} below {listing.min_amount}")
        limit = order.price
        if limit is None or not order.post_only:
            return
        if (limit >= price) if order.side == "buy" else (limit <= price):
            raise OrderImmediatelyFillable("offline post-only order would take")

    def _check_client_id(self, state: State, client_id: str) -> None:
        form = state.behavior.client_id_form
        if form is not None and not re.fullmatch(form, client_id):
            raise InvalidOrder(f"offline client order id must match {form}")
        if state.behavior.client_ids in ("kept", "prefixed") and any(
            each.client_id == client_id for each in state.orders.values()
        ):
            raise DuplicateOrderId("offline client order id was used before")

    def _apply_time_in_force(self, state: State, order: Order) -> None:
        if order.status == "open" and order.time_in_force in ("IOC", "FOK"):
            end(state, order, "canceled")

    def _answer(self, state: State, order: Order) -> Row:
        if state.behavior.answers_id_only:
            return self.safe_order({"id": order.id, "info": {"orderId": order.id}})
        return self.safe_order(order_row(state, order, is_answer=True), self.market(order.symbol))


def _trigger_of(params: Row) -> tuple[float, str | None] | None:
    for name in (*_TRIGGERS, "triggerPrice", "stopPrice"):
        if params.get(name) is not None:
            return params[name], _TRIGGERS.get(name)
    return None
