"""Executions of the account's orders, fetched from an exchange as ccxt's unified trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import ccxt
import octobot_trading.errors as trading_errors

from backend.bridge.octobot.conversion import ZERO, decimal_or_none, utc
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.bridge.octobot.order_rows import contract_size, fees_of
from backend.schemas.common import utc_now
from backend.schemas.orders import Fee, Side
from backend.schemas.trades import Trade

_LIQUIDITY = ("maker", "taker")
_MS = 1000


class FetchedExecution(NamedTuple):
    """One execution as the exchange tells it; `id` is unique over all exchanges and symbols."""

    id: str
    exchange_order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    cost: Decimal
    fees: tuple[Fee, ...]
    liquidity: Any
    executed_at: datetime

    def as_trade(self, exchange: str, order_id: str, client_order_id: str | None) -> Trade:
        """Return the trade of an order of ours."""
        return Trade(
            id=self.id,
            order_id=order_id,
            client_order_id=client_order_id,
            exchange=exchange,
            symbol=self.symbol,
            side=self.side,
            price=self.price,
            quantity=self.quantity,
            cost=self.cost,
            fee=self.fees[0] if len(self.fees) == 1 else None,
            fees=self.fees if len(self.fees) > 1 else (),
            liquidity=self.liquidity,
            executed_at=self.executed_at,
        )


def execution_id(exchange: str, symbol: str, key: str) -> str:
    """Return our id of an execution: an exchange's own is unique for one symbol at most."""
    return f"{exchange}:{symbol.replace('/', '-')}:{key}"


class ExchangeExecutions:
    """Fetches executions from one exchange; used on the bot's loop only."""

    __slots__ = ("_exchange", "_manager")

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._exchange: str = manager.exchange_name

    @property
    def _client(self) -> Any:
        return self._manager.exchange.connector.client

    async def of_symbol(
        self, symbol: str, since: datetime | None = None
    ) -> Sequence[FetchedExecution] | None:
        """Return the newest executions of a symbol, or the first ones since a time.

        Returns None when the exchange has no such list. Raises `LookUpFailed`.
        """
        if not self._client.has.get("fetchMyTrades"):
            return None
        since_ms = None if since is None else int(since.timestamp() * _MS)
        return await self._fetch("fetch_my_trades", symbol, since_ms)

    async def of_order(self, exchange_id: str, symbol: str) -> Sequence[FetchedExecution] | None:
        """Return the executions of an order; None and `LookUpFailed` as above."""
        if self._client.has.get("fetchOrderTrades"):
            return await self._fetch("fetch_order_trades", exchange_id, symbol)
        if not self._client.has.get("fetchOrder"):
            return None
        order = await self._call("fetch_order", exchange_id, symbol)
        rows = (order or {}).get("trades") or ()
        return self._read({"order": exchange_id, "symbol": symbol, **row} for row in rows)

    async def refresh(self, exchange_id: str, symbol: str) -> None:
        """Fetch an order, so that its listeners know its present state. Raises `LookUpFailed`."""
        if self._client.has.get("fetchOrder"):
            await self._call("fetch_order", exchange_id, symbol)

    async def _fetch(self, name: str, *args: object) -> Sequence[FetchedExecution]:
        return self._read(await self._call(name, *args) or ())

    async def _call(self, name: str, *args: object) -> Any:
        try:
            return await getattr(self._client, name)(*args)
        except (ccxt.BaseError, trading_errors.OctoBotExchangeError) as error:
            raise LookUpFailed(type(error).__name__) from error
        except (TypeError, LookupError, ValueError, AttributeError) as error:  # ccxt's parsers
            raise LookUpFailed(type(error).__name__) from error

    def _read(self, rows: Iterable[Mapping[str, Any]]) -> Sequence[FetchedExecution]:
        """Read the rows of named orders, oldest first and each once."""
        found: dict[str, FetchedExecution] = {}
        unnamed: Counter[str] = Counter()
        for row in rows:
            execution = self._read_row(row, unnamed)
            if execution is not None:
                found[execution.id] = execution
        return sorted(found.values(), key=lambda each: each.executed_at)

    def _read_row(self, row: Mapping[str, Any], unnamed: Counter[str]) -> FetchedExecution | None:
        amount, price = decimal_or_none(row.get("amount")), decimal_or_none(row.get("price"))
        symbol, side, order = row.get("symbol"), row.get("side"), row.get("order")
        if not amount or price is None or not symbol or not order or side not in ("buy", "sell"):
            return None
        quantity = amount * contract_size(self._client, symbol)
        at_ms = row.get("timestamp")
        key = str(row.get("id") or "")
        if not key:  # twins of one millisecond are told apart by their number
            key = f"{order}-{at_ms}-{price}-{amount}"
            unnamed[key] += 1
            key += f"-{unnamed[key]}"
        liquidity = row.get("takerOrMaker")
        return FetchedExecution(
            id=execution_id(self._exchange, symbol, key),
            exchange_order_id=str(order),
            symbol=symbol,
            side="buy" if side == "buy" else "sell",
            price=price,
            quantity=quantity,
            cost=self._cost(row, quantity, price),
            fees=tuple(fees_of(row)),
            liquidity=liquidity if liquidity in _LIQUIDITY else None,
            executed_at=utc_now() if at_ms is None else utc(at_ms / _MS),
        )

    def _cost(self, row: Mapping[str, Any], quantity: Decimal, price: Decimal) -> Decimal:
        """Return what was paid; an inverse contract's is told in the base."""
        market = (self._client.markets or {}).get(row.get("symbol")) or {}
        if market.get("inverse"):
            return decimal_or_none(row.get("cost")) or ZERO
        return quantity * price
