"""Checks of a paper contract's new leverage or margin mode."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from backend.accounting.contract_position import MAX_LEVERAGE, MarginMode
from backend.accounting.margin import MarginAccount
from backend.errors import InsufficientFunds, LeverageOutOfRange, PositionOpen, WouldBeLiquidated
from backend.schemas.markets import Market

_MAX_LEVERAGE = Decimal(MAX_LEVERAGE)


def check_change(
    account: MarginAccount,
    symbol: str,
    leverage: Decimal | None,
    mode: MarginMode | None,
    prices: Mapping[str, Decimal],
    max_leverage: Decimal,
) -> None:
    """Raise the error that forbids new settings of a contract."""
    position = account.position(symbol)
    if leverage is not None and leverage > max_leverage:
        raise LeverageOutOfRange(f"leverage: at most {max_leverage:f}")
    is_other_mode = mode is not None and mode != position.margin_mode
    if is_other_mode and (position.quantity or _has_orders(account, symbol)):
        raise PositionOpen("margin_mode: close the position and cancel its orders first")
    changed = account.with_settings(symbol, leverage, mode)
    needs_more = (
        changed.position_margin + changed.order_margin
        > account.position_margin + account.order_margin
    )
    if needs_more and changed.available(prices) < 0:
        raise InsufficientFunds("leverage: the margin that it takes is not available")
    if changed.is_liquidated(symbol, prices):
        raise WouldBeLiquidated("leverage: the position would be liquidated at once")


def max_leverage_of(rules: Market) -> Decimal:
    """Return the largest leverage of a paper position: the exchange's, at most `MAX_LEVERAGE`."""
    return min(rules.max_leverage or _MAX_LEVERAGE, _MAX_LEVERAGE)


def _has_orders(account: MarginAccount, symbol: str) -> bool:
    return any(exposure.symbol == symbol for exposure in account.order_exposures.values())
