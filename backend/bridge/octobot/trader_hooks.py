"""Hooks of OctoBot's trader: creation and edits of every order, also of strategies' orders."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import octobot_trading.errors as trading_errors
from octobot_trading.enums import ExchangeConstantsMarketPropertyColumns

from backend.bridge.octobot.order import CreationInterceptor, EditCheck, OctoBotOrder


def intercept_creation(trader: Any, interceptor: CreationInterceptor) -> None:
    """Add an interceptor of creations; the one that was added last runs first."""
    create = trader.create_order

    async def intercepted(
        order: OctoBotOrder, loaded: bool = False, *args: Any, **kwargs: Any
    ) -> OctoBotOrder | None:
        return await interceptor(
            order, partial(create, order, loaded, *args, **kwargs), loaded=loaded
        )

    trader.create_order = intercepted


def fill_as_maker(order: Any) -> None:
    """Book the fill of a limit order as maker, also where its limit crossed the last price.

    OctoBot compares the limit with the price at which the order was created.
    """
    maker = ExchangeConstantsMarketPropertyColumns.MAKER.value
    order._filled_maker_or_taker = lambda: maker


def check_edits(trader: Any, is_affordable: EditCheck) -> None:
    """Refuse an edit whose new values lack the funds.

    OctoBot's simulator releases the old lock, fails at the new one and keeps the new values.
    """
    edit = trader.edit_order

    async def checked(
        order: OctoBotOrder,
        edited_quantity: Decimal | None = None,
        edited_price: Decimal | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        quantity = edited_quantity or order.origin_quantity
        price = edited_price or order.origin_price
        locks = order.can_be_edited() and order.is_counted_in_available_funds()
        if locks and not is_affordable(order, quantity, price):
            raise trading_errors.OrderEditError("the funds are not available")
        return bool(await edit(order, edited_quantity, edited_price, *args, **kwargs))

    trader.edit_order = checked
