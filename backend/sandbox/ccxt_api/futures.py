"""ccxt futures endpoints: positions, leverage and margin mode, funding."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadRequest, BadSymbol

from backend.accounting.contract_position import MAINTENANCE_RATE
from backend.sandbox.ccxt_api.private import SandboxPrivate
from backend.sandbox.ccxt_api.public import Row
from backend.sandbox.market.listings import SETTLEMENT_ASSET
from backend.sandbox.matching.accounts import Account
from backend.sandbox.matching.futures_account import FUNDING_EVERY, FUNDING_RATE, mark_prices

_PERIOD_MS = FUNDING_EVERY // timedelta(milliseconds=1)


class SandboxFutures(SandboxPrivate):
    """With the option `defaultType` `future` or `swap`, balances are the margin account's."""

    async def fetch_balance(self, params: Row | None = None) -> Row:
        """Return the balances; of the margin account with unrealised PnL."""
        kind = (params or {}).get("type") or self.options.get("defaultType")
        if kind not in ("future", "swap"):
            return await super().fetch_balance(params)
        account = await self._execute("fetch_balance", self.engine.account)
        margin, prices = account.futures.margin, mark_prices(self.market_data)
        equity, free = margin.equity(prices), max(margin.available(prices), 0 * margin.wallet)
        amounts = {"free": str(free), "used": str(equity - free), "total": str(equity)}
        row: Row = self.safe_balance({SETTLEMENT_ASSET: amounts, "info": {}})
        return row

    async def fetch_positions(
        self, symbols: list[str] | None = None, params: Row | None = None
    ) -> list[Row]:
        """Return the position of each contract, empty ones too."""
        account = await self._execute("fetch_positions", self.engine.account)
        chosen = symbols or [s for s, item in self.market_data.listings.items() if item.is_contract]
        return [self._position_row(account, self._contract(symbol)) for symbol in chosen]

    async def fetch_position(self, symbol: str, params: Row | None = None) -> Row:
        """Return one position, an empty one too."""
        account = await self._execute("fetch_position", self.engine.account)
        return self._position_row(account, self._contract(symbol))

    async def set_leverage(
        self, leverage: int, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Change a contract's leverage."""
        await self.load_markets()
        name = self._contract(symbol)
        await self._execute(
            "set_leverage", lambda key: self.engine.configure(key, name, int(leverage), None)
        )
        return {"symbol": name, "leverage": leverage, "info": {}}

    async def set_margin_mode(
        self, marginMode: str, symbol: str | None = None, params: Row | None = None
    ) -> Row:
        """Change a contract's margin mode."""
        await self.load_markets()
        name = self._contract(symbol)
        if marginMode not in ("isolated", "cross"):
            raise BadRequest("a margin mode is isolated or cross")
        mode: Any = marginMode
        await self._execute(
            "set_margin_mode", lambda key: self.engine.configure(key, name, None, mode)
        )
        return {"symbol": name, "marginMode": marginMode, "info": {}}

    async def fetch_funding_rate(self, symbol: str, params: Row | None = None) -> Row:
        """Return the next funding rate, which is constant."""
        await self.load_markets()
        name = self._contract(symbol)
        await self._send_request("fetch_funding_rate")
        now_ms, price = self.market_data.now_ms(), float(self.market_data.price(name))
        previous_ms = now_ms - now_ms % _PERIOD_MS
        return {
            "symbol": name,
            "markPrice": price,
            "indexPrice": float(self.market_data.price(self.market_data.listing(name).underlying)),
            "timestamp": now_ms,
            "datetime": self.iso8601(now_ms),
            "fundingRate": float(FUNDING_RATE),
            "fundingTimestamp": previous_ms + _PERIOD_MS,
            "fundingDatetime": self.iso8601(previous_ms + _PERIOD_MS),
            "previousFundingTimestamp": previous_ms,
            "info": {},
        }

    def _contract(self, symbol: str | None) -> str:
        if symbol is None:
            raise ArgumentsRequired("a contract's symbol is needed")
        name: str = self.market(symbol)["symbol"]
        if not self.market_data.listing(name).is_contract:
            raise BadSymbol(f"{name} is no contract")
        return name

    def _position_row(self, account: Account, symbol: str) -> Row:
        margin, prices = account.futures.margin, mark_prices(self.market_data)
        position, end = margin.position(symbol), margin.liquidation_price(symbol, prices)
        opened_ms = self.market_data.now_ms()
        if position.quantity and position.opened_at is not None:
            opened_ms = int(position.opened_at.timestamp() * 1000)
        row: Row = self.safe_position(
            {
                "id": symbol,
                "symbol": symbol,
                "timestamp": opened_ms,
                "datetime": self.iso8601(opened_ms),
                "contracts": str(abs(position.quantity)),
                "contractSize": "1",
                "side": position.side,
                "notional": str(abs(position.quantity) * prices[symbol]),
                "leverage": str(position.leverage),
                "unrealizedPnl": str(margin.unrealized(symbol, prices)),
                "realizedPnl": str(position.realized) if position.quantity else "0",
                "collateral": str(position.margin),
                "initialMargin": str(position.margin),
                "maintenanceMargin": str(position.maintenance_margin),
                "maintenanceMarginPercentage": str(MAINTENANCE_RATE),
                "entryPrice": str(position.entry_price),
                "markPrice": str(prices[symbol]),
                "liquidationPrice": None if end is None else str(end),
                "marginMode": position.margin_mode,
                "hedged": False,
                "info": {"symbol": symbol},
            }
        )
        return row
