"""Preview of the margin that an order in a contract reserves and releases."""

from __future__ import annotations

from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.contract_position import initial_margin
from backend.accounting.decimals import ZERO
from backend.bridge.octobot.exchange import Exchange
from backend.schemas.common import utc_now
from backend.schemas.order_commands import FundsAfter
from backend.schemas.orders import Fee, NewOrder


def margin_funds(
    exchange: Exchange, asked: NewOrder, quantity: Decimal, cost: Decimal, fee: Fee | None
) -> list[FundsAfter]:
    """Return the margin that is available now, with the order placed, and with it filled.

    Opening takes margin, closing releases its margin and its profit.
    """
    _, quote = assets_of(asked.symbol)
    available = exchange.account.available(quote)
    position = exchange.account.contract_position(asked.symbol)
    signed = quantity if asked.side == "buy" else -quantity
    paid = ZERO if fee is None else fee.cost
    steps = position.apply_fill(signed, cost, paid, utc_now()) if quantity else []
    change = sum((step.wallet_change for step in steps), ZERO)
    after = steps[-1].position if steps else position
    opened = position.opening_quantity(signed) / quantity if quantity else ZERO
    holds = asked.type in ("market", "limit") and not asked.reduce_only
    held = initial_margin(cost * opened, position.leverage) + paid * opened if holds else ZERO
    return [
        FundsAfter(
            asset=quote,
            available=available,
            after_placing=available - held,
            after_filling=available + change + position.margin - after.margin,
        )
    ]
