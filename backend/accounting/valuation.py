"""Price of one asset in another, from the prices of traded symbols."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.decimals import EXACT, ONE

_PRICE_STEP = Decimal("1E-18")
_MOST_WAYS = 3


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


def quoting_symbols(
    pairs: Mapping[tuple[str, str], str], assets: Collection[str], reference: str
) -> list[str]:
    """Return the symbols whose prices price assets in another, in one step or two.

    `pairs` are symbols by base and quote. Of an asset with a direct symbol it is that one.
    """
    found: dict[str, None] = {}
    steps: dict[str, dict[str, str]] = {}
    for (base, quote), symbol in pairs.items():
        for asset, other in ((base, quote), (quote, base)):
            if asset in assets or other == reference:
                steps.setdefault(asset, {}).setdefault(other, symbol)
    for asset in sorted(set(assets) - {reference}):
        others = steps.get(asset, {})
        if reference in others:
            found[others[reference]] = None
            continue
        ways = [via for via in others if reference in steps.get(via, {})]
        for via in ways[:_MOST_WAYS]:
            found.update(dict.fromkeys((others[via], steps[via][reference])))
    return list(found)


def _rate(prices: Mapping[str, Decimal], base: str, quote: str) -> Decimal | None:
    price = prices.get(f"{base}/{quote}") or prices.get(f"{base}/{quote}:{quote}")
    if price is not None:
        return price
    inverse = prices.get(f"{quote}/{base}")
    return _rounded(ONE / inverse) if inverse else None


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(_PRICE_STEP, context=EXACT)
