"""What forbids another leverage or margin mode."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from backend.accounting.contract_position import MAX_LEVERAGE, MarginMode
from backend.accounting.margin import MarginAccount
from backend.errors import InsufficientFunds, LeverageOutOfRange, PositionOpen, WouldBeLiquidated


def check_change(
    account: MarginAccount,
    symbol: str,
    leverage: Decimal | None,
    mode: MarginMode | None,
    prices: Mapping[str, Decimal],
) -> None:
    """Raise what forbids a change of a paper contract's settings."""
    stake = account.stake(symbol)
    if leverage is not None and leverage > MAX_LEVERAGE:
        raise LeverageOutOfRange(f"leverage: at most {MAX_LEVERAGE}")
    is_other_mode = mode is not None and mode != stake.margin_mode
    if is_other_mode and (stake.quantity or _has_orders(account, symbol)):
        raise PositionOpen("margin_mode: close the position and cancel its orders first")
    changed = account.with_settings(symbol, leverage, mode)
    needs_more = changed.margins + changed.held > account.margins + account.held
    if needs_more and changed.available(prices) < 0:
        raise InsufficientFunds("leverage: the margin that it takes is not available")
    if changed.is_liquidated(symbol, prices):
        raise WouldBeLiquidated("leverage: the position would be liquidated at once")


def _has_orders(account: MarginAccount, symbol: str) -> bool:
    return any(hold.symbol == symbol for hold in account.holds.values())
