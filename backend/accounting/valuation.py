"""What one unit of an asset is worth, from the prices of the symbols that are followed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.decimals import EXACT, ONE

_FINEST = Decimal("1E-18")


def price_of(prices: Mapping[str, Decimal], asset: str, reference: str) -> Decimal | None:
    """Price an asset in another: directly, inversely, or through one market between.

    `prices` are by symbol, such as BTC/USDT; a linear contract stands in for a pair that
    has none. None when no such way leads there.
    """
    if asset == reference:
        return ONE
    direct = _rate(prices, asset, reference)
    if direct is not None:
        return direct
    for symbol in prices:
        base, quote = assets_of(symbol)
        between = quote if base == asset else base if quote == asset else None
        if between is not None:
            first, second = _rate(prices, asset, between), _rate(prices, between, reference)
            if first is not None and second is not None:
                return _rounded(first * second)
    return None


def _rate(prices: Mapping[str, Decimal], base: str, quote: str) -> Decimal | None:
    price = prices.get(f"{base}/{quote}") or prices.get(f"{base}/{quote}:{quote}")
    if price is not None:
        return price
    inverse = prices.get(f"{quote}/{base}")
    return _rounded(ONE / inverse) if inverse else None


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(_FINEST, context=EXACT)
