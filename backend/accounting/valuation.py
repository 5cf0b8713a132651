"""Price of one asset in another, from the prices of traded symbols."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.decimals import EXACT, ONE

_PRICE_STEP = Decimal("1E-18")


def price_of(prices: Mapping[str, Decimal], asset: str, reference: str) -> Decimal | None:
    """Return the price of an asset in another: directly, inversely, or via a third asset.

    `prices` are by symbol, such as BTC/USDT; a linear contract stands in for a pair that
    has none. None when there is no such path.
    """
    if asset == reference:
        return ONE
    direct = _rate(prices, asset, reference)
    if direct is not None:
        return direct
    for symbol in prices:
        base, quote = assets_of(symbol)
        via = quote if base == asset else base if quote == asset else None
        if via is not None:
            first, second = _rate(prices, asset, via), _rate(prices, via, reference)
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
    return price.quantize(_PRICE_STEP, context=EXACT)
