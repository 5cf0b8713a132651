"""Order matching against the market's price path: time, price and liquidity of fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from backend.sandbox.market.market import Market
from backend.sandbox.matching.orders import Liquidity, Order


class Match(NamedTuple):
    """An execution of a whole order."""

    time_ms: int
    price: Decimal
    liquidity: Liquidity


def find_matches(orders: Iterable[Order], market: Market) -> Iterator[tuple[Order, Match]]:
    """Yield the open orders that the path has filled since they were last matched.

    An order fills as taker at the book's price where it is marketable, and as maker
    at its own price where the path reaches it.
    """
    now_ms = market.now_ms()
    ranges: dict[tuple[str, int], tuple[Decimal, Decimal]] = {}
    for order in orders:
        stretch = (order.request.symbol, order.seen_ms + 1)
        if order.seen_ms < now_ms:
            if stretch not in ranges:
                ranges[stretch] = market.extremes(*stretch, now_ms + 1)
            found = (
                _match_path(order, market, now_ms) if _is_reached(order, *ranges[stretch]) else None
            )
            order.seen_ms = now_ms
            if found is not None:
                yield order, found


def match_book(order: Order, market: Market, at_ms: int) -> Match | None:
    """Return the taker match of an order at an instant, if it is marketable."""
    request = order.request
    book = market.book(request.symbol, 1, at_ms=at_ms)
    best = book.asks[0].price if request.side == "buy" else book.bids[0].price
    if request.price is not None:
        misses = request.price < best if request.side == "buy" else request.price > best
        if misses:
            return None
    return Match(at_ms, best, "taker")


def _is_reached(order: Order, low: Decimal, high: Decimal) -> bool:
    awaited = order.awaited_price
    if awaited is None:
        return False
    return high >= awaited.price if awaited.rising else low <= awaited.price


def _match_path(order: Order, market: Market, now_ms: int) -> Match | None:
    awaited = order.awaited_price
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
    return match_book(order, market, crossed_ms) or _match_path(order, market, now_ms)
