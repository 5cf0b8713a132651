"""Check that a paper account can fund an open order's new values."""

from __future__ import annotations

from decimal import Decimal

from backend.bridge.octobot.conversion import ZERO
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.orders.preview import expected_fee
from backend.errors import InsufficientFunds
from backend.schemas.orders import NewOrder, Order


def check_amended_funds(
    exchange: Exchange, held: OctoBotOrder, order: Order, amended: NewOrder
) -> None:
    """Raise `InsufficientFunds` when a limit order's new values need more than is available."""
    if order.type != "limit" or order.price is None or amended.price is None:
        return
    base, quote = order.symbol.split(":")[0].split("/")
    if exchange.is_futures:
        if not exchange.account.affords_change(held, amended.quantity, amended.price):
            raise InsufficientFunds(f"not enough {quote} available for this change")
        return
    if order.side == "sell":
        more, asset = amended.quantity - order.quantity, base
    else:
        before = _locked(exchange, amended, order.quantity, order.price)
        more = _locked(exchange, amended, amended.quantity, amended.price) - before
        asset = quote
    if more > exchange.account.available(asset):
        raise InsufficientFunds(f"not enough {asset} available for this change")


def _locked(exchange: Exchange, amended: NewOrder, quantity: Decimal, price: Decimal) -> Decimal:
    fee = expected_fee(exchange, amended, quantity, price)
    return quantity * price + (fee.cost if fee is not None else ZERO)
