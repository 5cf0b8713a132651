"""Prices at which paper orders take liquidity: the last one, the best one, or the book's depth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from backend.accounting.decimals import ONE, ZERO
from backend.bridge.ledger.paper_fills import Executions, PaperExecution, PaperFill
from backend.bridge.octobot.conversion import decimal_or_none
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.errors import NoLiquidity, PriceWouldTakeAtOnce
from backend.schemas.common import decimal_text
from backend.schemas.orders import Order
from backend.settings.model import Settings

_LEVELS = 100

Level = tuple[Decimal, Decimal]
"""A price and the quantity on offer there."""


def walk(
    levels: Sequence[Level], side: str, quantity: Decimal, limit: Decimal | None
) -> list[Level]:
    """Return what a quantity takes of the levels, best first, and not beyond the limit."""
    taken: list[Level] = []
    for price, offered in levels:
        beyond = limit is not None and (price > limit if side == "buy" else price < limit)
        if beyond or quantity <= 0:
            break
        part = min(offered, quantity)
        if part > 0:
            taken.append((price, part))
            quantity -= part
    return taken


class FillModel:
    """The settings' model of fills; inactive while the simulator's last price is the rule.

    Used on the bot's loop only. `plan` waits for the latency and for the order book.
    """

    def __init__(self, settings: Settings, executions: Executions) -> None:
        self._kind = settings.paper_fill
        self._latency_s = settings.paper_latency / 1000
        self._slippage = settings.paper_slippage / 10_000
        self._executions = executions
        self._planned: dict[str, list[Level]] = {}
        self.is_active = self._kind != "last" or bool(self._latency_s or self._slippage)

    async def decide(self, exchange: Exchange, order: Order) -> bool:
        """Plan a new market or limit order's execution; return whether it takes.

        Raises `NoLiquidity`, and `PriceWouldTakeAtOnce` for a post-only order that would take.
        """
        fills = await self._find(exchange, order.symbol, order.side, order.quantity, order.price)
        if order.post_only and fills:
            price = decimal_text(fills[0][0])
            raise PriceWouldTakeAtOnce(f"post_only: the order would fill at once at {price}")
        filled = sum((quantity for _, quantity in fills), ZERO)
        needs_all = order.time_in_force == "FOK" or (
            order.type == "limit" and order.time_in_force == "GTC"
        )
        takes = filled == order.quantity if needs_all else filled > 0
        if order.type == "market" and not takes:
            raise NoLiquidity(f"quantity: {decimal_text(filled)} is on offer in {order.symbol}")
        if takes:
            self._planned[order.id] = fills
        return takes

    async def plan(self, exchange: Exchange, order: OctoBotOrder) -> bool:
        """Plan an OctoBot order's execution at the market, and set it to that.

        Returns False when nothing is on offer.
        """
        fills = self._planned.pop(order.order_id, None)
        if fills is None:
            side, quantity = order.side.value, order.origin_quantity
            fills = await self._find(exchange, order.symbol, side, quantity, None)
        if not fills:
            return False
        execution = PaperExecution(
            order.origin_quantity,
            [
                PaperFill(price, part, exchange.orders.expected_taker_fee(order, part, price))
                for price, part in fills
            ],
        )
        self._executions[order.order_id] = execution
        average = execution.cost / execution.filled
        order.origin_quantity = execution.filled
        order.origin_price = order.created_last_price = order.filled_price = average
        for chained in order.chained_orders:
            chained.origin_quantity = min(chained.origin_quantity, execution.filled)
        return True

    async def _find(
        self, exchange: Exchange, symbol: str, side: str, quantity: Decimal, limit: Decimal | None
    ) -> list[Level]:
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        levels = await self._levels(exchange, symbol, side, quantity)
        tick = exchange.rules(symbol).price_step
        slipped = [(self._slip(price, side, tick), offered) for price, offered in levels]
        return walk(slipped, side, quantity, limit)

    async def _levels(
        self, exchange: Exchange, symbol: str, side: str, quantity: Decimal
    ) -> list[Level]:
        if self._kind == "last":
            price = exchange.price(symbol)
            return [] if price is None else [(price, quantity)]
        book = await exchange.market.order_book(symbol, _LEVELS)
        rows = book["asks" if side == "buy" else "bids"]
        levels = [
            (price, offered)
            for price, offered in (
                (decimal_or_none(row[0]), decimal_or_none(row[1])) for row in rows
            )
            if price and offered
        ]
        return [(price, quantity) for price, _ in levels[:1]] if self._kind == "top" else levels

    def _slip(self, price: Decimal, side: str, tick: Decimal | None) -> Decimal:
        """Move a price against the order, to the next tick."""
        if not self._slippage:
            return price
        buys = side == "buy"
        moved = price * (ONE + self._slippage if buys else ONE - self._slippage)
        if not tick:
            return moved
        rounding = ROUND_CEILING if buys else ROUND_FLOOR
        return max((moved / tick).to_integral_value(rounding) * tick, tick)
