"""When orders fill, and at what price: a reading of the market's path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from backend.sandbox.market.market import Market
from backend.sandbox.matching.orders import Liquidity, Order


class Match(NamedTuple):
    """An execution of a whole order that the path brings about."""

    time_ms: int
    price: Decimal
    liquidity: Liquidity


def find_matches(orders: Iterable[Order], market: Market) -> Iterator[tuple[Order, Match]]:
    """Follow the path from where each open order was last seen until now, and find what fills.

    An order fills as taker at the book's price where it meets the book, and as
    maker at its own price where the path comes to it.
    """
    now_ms = market.now_ms()
    ranges: dict[tuple[str, int], tuple[Decimal, Decimal]] = {}
    for order in orders:
        stretch = (order.request.symbol, order.seen_ms + 1)
        if order.seen_ms < now_ms:
            if stretch not in ranges:
                ranges[stretch] = market.extremes(*stretch, now_ms + 1)
            found = _follow(order, market, now_ms) if _may_fill(order, *ranges[stretch]) else None
            order.seen_ms = now_ms
            if found is not None:
                yield order, found


def taken_from_book(order: Order, market: Market, at_ms: int) -> Match | None:
    """Return what an order gets that enters the book at an instant, if it meets the other side."""
    request = order.request
    book = market.book(request.symbol, 1, at_ms=at_ms)
    best = book.asks[0].price if request.side == "buy" else book.bids[0].price
    if request.price is not None:
        misses = request.price < best if request.side == "buy" else request.price > best
        if misses:
            return None
    return Match(at_ms, best, "taker")


def _may_fill(order: Order, low: Decimal, high: Decimal) -> bool:
    awaited = order.awaits
    if awaited is None:
        return False
    return high >= awaited.price if awaited.rising else low <= awaited.price


def _follow(order: Order, market: Market, now_ms: int) -> Match | None:
    awaited = order.awaits
    if awaited is None:
        return None
    crossed_ms = market.crossing_ms(
        order.request.symbol, order.seen_ms + 1, now_ms + 1, awaited.price, rising=awaited.rising
    )
    if crossed_ms is None:
        return None
    if order.request.trigger is None or order.is_triggered:
        return Match(crossed_ms, awaited.price, "maker")
    order.is_triggered = True
    order.updated_ms = order.seen_ms = crossed_ms
    return taken_from_book(order, market, crossed_ms) or _follow(order, market, now_ms)
