"""The order book: offers on both sides of the last price, thicker further out."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from backend.sandbox.market.listings import Listing
from backend.sandbox.market.noise import Ints, Noise

# Offers stand this share of the price apart, on average, and at least one tick.
_SPACING = Decimal("0.00002")
# An offer's mean size, as a share of a day's volume.
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
    listing: Listing, price: Decimal, noise: Noise, tick: int, depth: int
) -> OrderBook:
    """Lay offers around a price; the best ones stand one tick away from it."""
    depth = min(depth, _MAX_DEPTH)
    slots = tick * 2 * _MAX_DEPTH + np.arange(2 * depth)
    spacing = max(1, int(price * _SPACING / listing.price_tick))
    draw = noise.draw(slots)
    gaps = 1 + draw.integer(0) * (2 * spacing) // 4096
    mean_steps = max(1, int(listing.daily_volume * _SIZE / listing.amount_step))
    sizes = 1 + draw.integer(1) * (2 * mean_steps) // 4096
    bids = _side(listing, price, -_distances(gaps[:depth]), sizes[:depth])
    asks = _side(listing, price, _distances(gaps[depth:]), sizes[depth:])
    return OrderBook(bids, asks)


def _distances(gaps: Ints) -> Ints:
    gaps[0] = 1
    return np.cumsum(gaps)


def _side(listing: Listing, price: Decimal, distances: Ints, sizes: Ints) -> list[PriceLevel]:
    offers = (
        PriceLevel(price + distance * listing.price_tick, listing.amount(size))
        for distance, size in zip(distances.tolist(), sizes.tolist(), strict=True)
    )
    return [offer for offer in offers if offer.price > 0]
