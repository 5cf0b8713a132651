"""Balance changes by spot executions: balances = start + Σ fills - Σ fees, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

from backend.accounting.decimals import EXACT, ZERO
from backend.schemas.orders import Fee
from backend.schemas.trades import Trade


def assets_of(symbol: str) -> tuple[str, str]:
    """Return the base and the quote asset of a symbol."""
    base, quote = symbol.split(":")[0].split("/")
    return base, quote


def is_contract(symbol: str) -> bool:
    """Return whether a symbol is a contract, such as BTC/USDT:USDT, and no spot pair."""
    return ":" in symbol


def balance_changes(trade: Trade) -> dict[str, Decimal]:
    """Return the change of each asset's total by a spot execution."""
    return changes_of_fill(trade.symbol, trade.side, trade.quantity, trade.cost, trade.charges)


def changes_of_fill(
    symbol: str, side: str, quantity: Decimal, cost: Decimal, fees: Iterable[Fee]
) -> dict[str, Decimal]:
    """Return the change of each asset's total by a spot fill.

    A buy adds the quantity and subtracts the cost, a sell the reverse; each fee is
    subtracted in its own currency. A rebate is a negative fee.
    """
    base, quote = assets_of(symbol)
    sign = 1 if side == "buy" else -1
    changes = {base: sign * quantity, quote: -sign * cost}
    for fee in fees:
        changes[fee.currency] = EXACT.subtract(changes.get(fee.currency, ZERO), fee.cost)
    return changes


def balances_after(start: Mapping[str, Decimal], trades: Iterable[Trade]) -> dict[str, Decimal]:
    """Return the totals after spot executions, given those at the start."""
    totals = dict(start)
    with localcontext(EXACT):
        for trade in trades:
            for asset, change in balance_changes(trade).items():
                totals[asset] = totals.get(asset, ZERO) + change
    return totals
