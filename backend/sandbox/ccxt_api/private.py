"""ccxt private endpoints: balances, orders and fills of an API key's account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from ccxt.base.errors import ArgumentsRequired, InvalidOrder, NotSupported

from backend.sandbox.ccxt_api.public import Row, SandboxPublic
from backend.sandbox.ccxt_api.rows import fill_row, order_row
from backend.sandbox.matching.engine import MatchingEngine
from backend.sandbox.matching.orders import NewOrder, Order, Trigger

T = TypeVar("T")
_TRIGGER_PARAMS = {
    "stopLossPrice": "stop_loss",
    "takeProfitPrice": "take_profit",
    "triggerPrice": None,
    "stopPrice": None,
}


class SandboxPrivate(SandboxPublic):
    """Private endpoints over `engine`, which `install` sets on a subclass."""

    engine: ClassVar[MatchingEngine]

    async def _send_request(self, endpoint: str) -> None:
        faults = self.engine.faults
        if faults.latency_s:
            await asyncio.sleep(faults.latency_s)
        faults.raise_before(endpoint)

    async def _execute(self, endpoint: str, action: Callable[[str], T]) -> T:
        """Call the engine with the API key; injected faults apply before and after."""
        self.check_required_credentials()
        await self.load_markets()
        await self._send_request(endpoint)
        result = action(self.apiKey)
        self.engine.faults.raise_after(endpoint)
        return result

    async def fetch_balance(self, params: Row | None = None) -> Row:
        """Return the free and locked amount of each asset."""
        account = await self._execute("fetch_balance", self.engine.account)
        balances: Row = {
            asset: {"free": str(balance.free), "used": str(balance.locked)}
            for asset, balance in account.balances.items()
        }
        row: Row = self.safe_balance({**balances, "info": {}})
        return row

    async def create_order(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float | None = None,
        params: Row | None = None,
    ) -> Row:
        """Create a market or limit order, with `stopLossPrice` and the like a trigger order."""
        request = await self._parse_order(symbol, type, side, amount, price, params or {})
        return self._order_response(
            await self._execute("create_order", lambda key: self.engine.create(key, request))
        )

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
        """Change an open order in place."""
        if amount is None:
            raise ArgumentsRequired("editing an order needs its amount")
        if self.engine.faults.is_edit_unsupported:
            row: Row = await super().edit_order(id, symbol, type, side, amount, price, params or {})
            return row
        request = await self._parse_order(symbol, type, side, amount, price, params or {})
        return self._order_response(
            await self._execute("edit_order", lambda key: self.engine.edit(key, id, request))
        )

    async def cancel_order(
        self, id: str, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Cancel an open order, named by its id or by the parameter `clientOrderId`."""

        def cancel(key: str) -> Order:
            return self.engine.cancel(key, self._find_order(key, id, params).id)

        return self._order_row(await self._execute("cancel_order", cancel))

    async def cancel_all_orders(
        self, symbol: str | None = None, params: Row | None = None
    ) -> list[Row]:
        """Cancel all open orders, or those of one symbol."""
        orders = await self._execute(
            "cancel_all_orders", lambda key: self.engine.cancel_all(key, symbol)
        )
        return [self._order_row(order) for order in orders]

    async def fetch_order(
        self, id: str, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Return an order, named by its id or by the parameter `clientOrderId`."""
        return self._order_row(
            await self._execute("fetch_order", lambda key: self._find_order(key, id, params))
        )

    async def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return orders of every status, oldest first."""
        return await self._orders("fetch_orders", None, symbol, since, limit)

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return open orders, oldest first."""
        return await self._orders("fetch_open_orders", "open", symbol, since, limit)

    async def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return filled orders, oldest first."""
        return await self._orders("fetch_closed_orders", "closed", symbol, since, limit)

    async def fetch_canceled_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return canceled orders, oldest first."""
        return await self._orders("fetch_canceled_orders", "canceled", symbol, since, limit)

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return the account's fills, oldest first."""
        account = await self._execute("fetch_my_trades", self.engine.account)
        rows = [
            self.safe_trade(fill_row(order, fill), self.market(order.request.symbol))
            for order in account.orders.values()
            for fill in order.fills
        ]
        return self._select_rows(rows, symbol, since, limit)

    async def _orders(
        self,
        endpoint: str,
        status: str | None,
        symbol: str | None,
        since: int | None,
        limit: int | None,
    ) -> list[Row]:
        account = await self._execute(endpoint, self.engine.account)
        chosen = [order for order in account.orders.values() if status in (None, order.status)]
        return self._select_rows([self._order_row(order) for order in chosen], symbol, since, limit)

    def _select_rows(
        self, rows: list[Row], symbol: str | None, since: int | None, limit: int | None
    ) -> list[Row]:
        """Filter by symbol and time; without a time the newest remain, as in ccxt."""
        page: list[Row] = self.filter_by_symbol_since_limit(
            self.sort_by(rows, "timestamp"), symbol, since, limit
        )
        return page

    def _find_order(self, api_key: str, id: str, params: Row | None) -> Order:
        client_order_id = (params or {}).get("clientOrderId")
        if client_order_id is not None:
            return self.engine.order_by_client_id(api_key, client_order_id)
        return self.engine.order(api_key, id)

    def _order_response(self, order: Order) -> Row:
        """Return the response to a command on an order."""
        if not self.engine.faults.answers_id_only:
            return self._order_row(order)
        row: Row = self.safe_order({"id": order.id, "info": {"orderId": order.id}})
        return row

    def _order_row(self, order: Order) -> Row:
        row: Row = self.safe_order(order_row(order), self.market(order.request.symbol))
        return row

    async def _parse_order(
        self, symbol: str, type: str, side: str, amount: float, price: float | None, params: Row
    ) -> NewOrder:
        """Parse ccxt's arguments, with numbers truncated to the market's precision."""
        await self.load_markets()
        name = self.market(symbol)["symbol"]
        if side not in ("buy", "sell") or type not in ("market", "limit"):
            raise InvalidOrder(f"the sandbox has no {side} {type} orders")
        if type == "limit" and price is None:
            raise ArgumentsRequired("a limit order needs a price")
        return NewOrder(
            symbol=name,
            side="buy" if side == "buy" else "sell",
            amount=Decimal(self.amount_to_precision(name, amount)),
            price=self._price(name, price) if type == "limit" else None,
            trigger=self._trigger(name, side, params),
            client_order_id=params.get("clientOrderId"),
            reduce_only=bool(params.get("reduceOnly")),
        )

    def _trigger(self, symbol: str, side: str, params: Row) -> Trigger | None:
        unsupported = {"stopLoss", "takeProfit", "trailingPercent", "trailingAmount"} & set(params)
        if unsupported:
            raise NotSupported(f"the sandbox takes no {', '.join(sorted(unsupported))}")
        for name, kind in _TRIGGER_PARAMS.items():
            if params.get(name) is not None:
                price = self._price(symbol, params[name])
                above = price > self.market_data.price(symbol)
                by_direction = "stop_loss" if above == (side == "buy") else "take_profit"
                chosen = kind or by_direction
                return Trigger("stop_loss" if chosen == "stop_loss" else "take_profit", price)
        return None

    def _price(self, symbol: str, price: Any) -> Decimal:
        return Decimal(self.price_to_precision(symbol, price))
