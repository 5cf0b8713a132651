"""Check that a paper account can fund an open order's new values."""

from __future__ import annotations

from backend.accounting.balances import assets_of
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.errors import InsufficientFunds
from backend.schemas.orders import NewOrder, Order


def check_amended_funds(
    exchange: Exchange, held: OctoBotOrder, order: Order, amended: NewOrder
) -> None:
    """Raise `InsufficientFunds` when a limit order's new values need more than is available."""
    if order.type != "limit" or order.price is None or amended.price is None:
        return
    base, quote = assets_of(order.symbol)
    if not exchange.account.affords_change(held, amended.quantity, amended.price):
        asset = base if order.side == "sell" and not exchange.is_futures else quote
        raise InsufficientFunds(f"not enough {asset} available for this change")
