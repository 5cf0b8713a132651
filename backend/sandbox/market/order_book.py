"""Order book generator: price levels on both sides of the last price."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from backend.sandbox.market.listings import Listing
from backend.sandbox.market.seeded_random import Ints, RandomStream

# Mean distance of two levels as a fraction of the price; at least one tick.
_SPACING = Decimal("0.00002")
# A level's mean amount as a fraction of a day's volume.
_SIZE = Decimal("0.00001")
_MAX_DEPTH = 1000


class PriceLevel(NamedTuple):
    """An amount on offer at a price."""

    price: Decimal
    amount: Decimal


class OrderBook(NamedTuple):
    """Bids from the highest down, asks from the lowest up."""

    bids: list[PriceLevel]
    asks: list[PriceLevel]


def make_order_book(
    listing: Listing, price: Decimal, random_stream: RandomStream, tick: int, depth: int
) -> OrderBook:
    """Return an order book around a price; the best levels are one tick away from it."""
    depth = min(depth, _MAX_DEPTH)
    indexes = tick * 2 * _MAX_DEPTH + np.arange(2 * depth)
    spacing = max(1, int(price * _SPACING / listing.price_tick))
    bits = random_stream.draw(indexes)
    gaps = 1 + bits.integer(0) * (2 * spacing) // 4096
    mean_steps = max(1, int(listing.daily_volume * _SIZE / listing.amount_step))
    sizes = 1 + bits.integer(1) * (2 * mean_steps) // 4096
    bids = _side(listing, price, -_distances(gaps[:depth]), sizes[:depth])
    asks = _side(listing, price, _distances(gaps[depth:]), sizes[depth:])
    return OrderBook(bids, asks)


def _distances(gaps: Ints) -> Ints:
    gaps[0] = 1
    return np.cumsum(gaps)


def _side(listing: Listing, price: Decimal, distances: Ints, sizes: Ints) -> list[PriceLevel]:
    levels = (
        PriceLevel(price + distance * listing.price_tick, listing.amount(size))
        for distance, size in zip(distances.tolist(), sizes.tolist(), strict=True)
    )
    return [level for level in levels if level.price > 0]
