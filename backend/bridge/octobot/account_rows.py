"""Rows of an account that cannot be read: left out, and remembered until they can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from decimal import Decimal, InvalidOperation
from typing import Any

import ccxt

CONTRACT_ALONE: ContextVar[bool] = ContextVar("contract_alone", default=False)
"""Whether a position is read for its leverage and margin mode alone."""

Row = dict[str, Any]
_SIDES = ("long", "short")
_AMOUNTS = ("free", "used", "total")
_NO_BALANCES = frozenset({"info", "timestamp", "datetime", *_AMOUNTS, "debt"})


class UnreadableRows:
    """Positions and balances of one client that could not be read at the last attempt.

    `on_change` is called with a text for each; used on the bot's loop only.
    """

    def __init__(self) -> None:
        self._positions: dict[str, str] = {}
        self._assets: dict[str, str] = {}
        self.on_change: Callable[[list[str]], None] | None = None

    @property
    def assets(self) -> frozenset[str]:
        """The assets whose balance is unknown."""
        return frozenset(self._assets)

    @property
    def texts(self) -> list[str]:
        """A text for each row, in the words of the exchange's fields."""
        positions = [f"the position in {s} cannot be read: {r}" for s, r in self._positions.items()]
        balances = [f"the balance of {a} cannot be read: {r}" for a, r in self._assets.items()]
        return sorted(positions) + sorted(balances)

    def positions(self, rows: Any, client: Any) -> list[Row]:
        """Return the positions that can be read, of all that the account has."""
        readable, unreadable = [], {}
        for row in rows or ():
            symbol = str(row.get("symbol")) if isinstance(row, dict) else "an unknown symbol"
            reason = _position_fault(row, client)
            if reason is None:
                readable.append(row)
            else:
                unreadable[symbol] = reason
        self._set(positions=unreadable)
        return readable

    def position(self, row: Any, client: Any) -> Row | None:
        """Return one position; raises ccxt's `BadResponse` if it cannot be read.

        Where only the contract's settings are wanted (`CONTRACT_ALONE`) its amounts are zeros.
        """
        if row is None:
            return None
        symbol, reason = str(row.get("symbol")), _position_fault(row, client)
        others = {s: r for s, r in self._positions.items() if s != symbol}
        self._set(positions=others if reason is None else {**others, symbol: reason})
        if reason is not None and CONTRACT_ALONE.get():
            size = (client.markets or {}).get(row.get("symbol"), {}).get("contractSize")
            return {**row, "contracts": 0, "contractSize": size or 1, "entryPrice": 0}
        if reason is not None:
            raise ccxt.BadResponse(f"the position cannot be read: {reason}")
        readable: Row = row
        return readable

    def balances(self, raw: Row) -> Row:
        """Return the balances that can be read, each with its total and its free amount."""
        readable, unreadable = {}, {}
        for asset, row in raw.items():
            if asset in _NO_BALANCES or not isinstance(row, dict):
                readable[asset] = row
                continue
            whole = _balance(row)
            if whole is None:
                unreadable[asset] = "neither its total nor its parts are told"
            else:
                readable[asset] = whole
        self._set(assets=unreadable)
        return readable

    def _set(
        self,
        positions: Mapping[str, str] | None = None,
        assets: Mapping[str, str] | None = None,
    ) -> None:
        before = (self._positions, self._assets)
        self._positions = dict(self._positions if positions is None else positions)
        self._assets = dict(self._assets if assets is None else assets)
        if before != (self._positions, self._assets) and self.on_change is not None:
            self.on_change(self.texts)


def _position_fault(row: Any, client: Any) -> str | None:
    """Return why a position cannot be read, None if it can.

    A contract size that is not told is filled in from the market: it is the same there.
    """
    if not isinstance(row, dict):
        return "it is no row"
    contracts = _decimal(row.get("contracts"))
    if contracts is None:
        # ccxt tells a position that is not open by nulls throughout
        is_open = any(row.get(key) for key in ("side", "notional", "entryPrice", "initialMargin"))
        if is_open:
            return "its contracts are not told"
        row["contracts"] = 0
        contracts = Decimal(0)
    if _decimal(row.get("contractSize")) is None:
        row["contractSize"] = (client.markets or {}).get(row.get("symbol"), {}).get("contractSize")
    if not contracts:
        row["contractSize"] = row["contractSize"] or 1
        row["entryPrice"] = row.get("entryPrice") or 0
        return None
    if _decimal(row["contractSize"]) is None:
        return "its contract size is not told"
    if _decimal(row.get("entryPrice")) is None:
        return "its entry price is not told"
    return None if row.get("side") in _SIDES else "its side is not told"


def _balance(row: Row) -> Row | None:
    amounts = {name: _decimal(row.get(name)) for name in _AMOUNTS}
    free, used, total = (amounts[name] for name in _AMOUNTS)
    if total is None and free is not None and used is not None:
        total = free + used
    if free is None and total is not None and used is not None:
        free = total - used
    if total is None or free is None:
        return None
    return {
        **row,
        "free": row.get("free") if amounts["free"] is not None else float(free),
        "total": row.get("total") if amounts["total"] is not None else float(total),
    }


def _decimal(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
