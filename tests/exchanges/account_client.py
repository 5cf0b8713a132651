"""Reads of the offline exchange's ccxt class: orders, trades, balances, positions, flows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ccxt.base.errors import NotSupported

from tests.exchanges.matching import find_order
from tests.exchanges.orders_client import OfflineCommands
from tests.exchanges.rows import Row, flow_row, ledger_row, order_row, position_row, trade_row
from tests.exchanges.state import Order, State


class OfflineClient(OfflineCommands):
    """The whole ccxt class; polls may be late, doubled or in another order."""

    def __init__(self, config: Row | None = None) -> None:
        super().__init__(config or {})
        self._answers: dict[tuple[str, str | None], deque[Any]] = {}

    async def fetch_balance(self, params: Row | None = None) -> Row:
        """Return free and used of each asset."""
        await self.load_markets()

        def read(state: State) -> Row:
            rows = {
                asset: {"free": str(wallet.free), "used": str(wallet.locked)}
                for asset, wallet in state.wallets.items()
            }
            return self.safe_balance({**rows, "info": {}})

        return await self._poll("fetch_balance", None, read)

    async def fetch_order(
        self, id: str, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Return an order by its id or by the parameter `clientOrderId`."""
        self._require("fetchOrder")
        await self.load_markets()
        key = (params or {}).get("clientOrderId") or id
        return await self.ask("fetch_order", lambda state: self._row(state, find_order(state, key)))

    async def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return orders of every status."""
        self._require("fetchOrders")
        return await self._orders("fetch_orders", lambda _: True, symbol, since, limit)

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return open orders."""
        self._require("fetchOpenOrders")

        def wanted(order: Order) -> bool:
            return order.status == "open"

        return await self._orders("fetch_open_orders", wanted, symbol, since, limit)

    async def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return orders that have ended."""
        self._require("fetchClosedOrders")

        def wanted(order: Order) -> bool:
            return order.status != "open"

        return await self._orders("fetch_closed_orders", wanted, symbol, since, limit)

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return the account's executions."""
        self._require("fetchMyTrades")
        await self.load_markets()

        def read(state: State) -> list[Row]:
            return [] if state.behavior.hidden_trades else self._trades(state, None)

        rows = await self._poll("fetch_my_trades", symbol, read)
        return self._select(rows, symbol, since, limit)

    async def fetch_order_trades(
        self,
        id: str,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return an order's executions."""
        self._require("fetchOrderTrades")
        await self.load_markets()

        def read(state: State) -> list[Row]:
            return [] if state.behavior.hidden_trades else self._trades(state, id)

        rows = await self.ask("fetch_order_trades", read)
        return self._select(rows, symbol, since, limit)

    async def fetch_positions(
        self, symbols: list[str] | None = None, params: Row | None = None
    ) -> list[Row]:
        """Return the positions, closed ones too."""
        await self.load_markets()

        def read(state: State) -> list[Row]:
            return [
                self.safe_position(position_row(state, key, position))
                for key, position in state.positions.items()
                if not symbols or key.partition(" ")[0] in symbols
            ]

        return await self._poll("fetch_positions", str(symbols), read)

    async def fetch_position(self, symbol: str, params: Row | None = None) -> Row:
        """Return one position, an empty one too."""
        rows = await self.fetch_positions([symbol])
        return rows[0] if rows else self.safe_position({"symbol": symbol, "contracts": "0"})

    async def set_leverage(
        self, leverage: int, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Change a contract's leverage."""
        await self.load_markets()

        def change(state: State) -> Row:
            for key, position in state.positions.items():
                if key.partition(" ")[0] == symbol:
                    position.leverage = int(leverage)
            return {"symbol": symbol, "leverage": leverage, "info": {}}

        return await self.change("set_leverage", change)

    async def set_margin_mode(
        self, marginMode: str, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Change a contract's margin mode."""
        await self.load_markets()

        def change(state: State) -> Row:
            for key, position in state.positions.items():
                if key.partition(" ")[0] == symbol:
                    position.margin_mode = marginMode  # type: ignore[assignment]
            return {"symbol": symbol, "marginMode": marginMode, "info": {}}

        return await self.change("set_margin_mode", change)

    async def fetch_deposits(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return the deposits."""
        return await self._flows("fetchDeposits", "deposit", flow_row, code, since)

    async def fetch_withdrawals(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return the withdrawals."""
        return await self._flows("fetchWithdrawals", "withdrawal", flow_row, code, since)

    async def fetch_ledger(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return every flow."""
        return await self._flows("fetchLedger", None, ledger_row, code, since)

    def _require(self, ability: str) -> None:
        if not self.has[ability]:
            raise NotSupported(f"offline {ability} is not supported yet")

    def _row(self, state: State, order: Order) -> Row:
        return self.safe_order(order_row(state, order), self.market(order.symbol))

    def _trades(self, state: State, order_id: str | None) -> list[Row]:
        return [
            self.safe_trade(trade_row(state, each), self.market(each.symbol))
            for each in state.executions
            if order_id in (None, each.order_id)
        ]

    async def _orders(
        self,
        endpoint: str,
        wanted: Callable[[Order], bool],
        symbol: str | None,
        since: int | None,
        limit: int | None,
    ) -> list[Row]:
        await self.load_markets()
        self.check_required_credentials()

        def read(state: State) -> list[Row]:
            if state.behavior.hidden_orders:
                return []
            return [self._row(state, each) for each in state.orders.values() if wanted(each)]

        return self._select(await self._poll(endpoint, symbol, read), symbol, since, limit)

    async def _flows(
        self,
        ability: str,
        kind: str | None,
        row: Callable[..., Row],
        code: str | None,
        since: int | None,
    ) -> list[Row]:
        self._require(ability)
        return await self.ask(
            ability,
            lambda state: [
                row(flow)
                for flow in state.flows
                if kind in (None, flow.kind)
                and code in (None, flow.asset)
                and flow.time_ms >= (since or 0)
            ],
        )

    async def _poll(self, endpoint: str, symbol: str | None, read: Callable[[State], Any]) -> Any:
        """Return an answer as late as the behavior says."""
        self.check_required_credentials()
        answer = await self.ask(endpoint, read)
        late = self.file.peek().behavior.late_polls
        kept = self._answers.setdefault((endpoint, symbol), deque())
        kept.append(answer)
        while len(kept) > late + 1:
            kept.popleft()
        return self.deep_extend({"": kept[0]})[""] if late else answer

    def _select(
        self, rows: list[Row], symbol: str | None, since: int | None, limit: int | None
    ) -> list[Row]:
        behavior = self.file.peek().behavior
        chosen = self.filter_by_symbol_since_limit(
            self.sort_by(rows, "timestamp"), symbol, since, limit
        )
        if behavior.reordered_rows:
            chosen.reverse()
        return [dict(row) for row in chosen for _ in range(1 + behavior.doubled_rows)]
