"""Listings of the sandbox exchange: trading rules, price scale and volatility per symbol."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

TAKER_FEE = MAKER_FEE = Decimal("0.001")
SETTLEMENT_ASSET = "USDT"


class UnknownSymbol(ValueError):
    """The sandbox does not list the symbol."""


@dataclass(frozen=True)
class Listing:
    """One symbol; `reference_price` and `daily_volume` (in base) set the scale of its path."""

    symbol: str
    reference_price: float
    daily_volatility: float
    daily_volume: Decimal
    price_digits: int
    amount_digits: int
    min_amount: Decimal
    max_amount: Decimal
    min_cost: Decimal
    is_cross: bool = False

    @property
    def base(self) -> str:
        """The base asset."""
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """The quote asset."""
        return self.underlying.split("/")[1]

    @property
    def is_contract(self) -> bool:
        """Whether it is a perpetual contract on the pair, settled in the quote asset."""
        return ":" in self.symbol

    @property
    def underlying(self) -> str:
        """The spot pair whose price path it follows."""
        return self.symbol.split(":")[0]

    @cached_property
    def price_tick(self) -> Decimal:
        """The smallest price increment."""
        return Decimal(1).scaleb(-self.price_digits)

    @cached_property
    def amount_step(self) -> Decimal:
        """The smallest amount increment."""
        return Decimal(1).scaleb(-self.amount_digits)

    def price(self, raw: float) -> Decimal:
        """Round a raw price to the tick; rounding is monotonic, so extremes stay extremes.

        The lowest price is two ticks, which leaves room for a bid below it.
        """
        return Decimal(max(2, round(raw * 10**self.price_digits))) * self.price_tick

    def amount(self, steps: int) -> Decimal:
        """Return the amount of a number of amount steps."""
        return Decimal(steps) * self.amount_step


def _usdt_listing(
    base: str, price: float, volatility: float, volume: str, digits: tuple[int, int]
) -> Listing:
    price_digits, amount_digits = digits
    return Listing(
        symbol=f"{base}/USDT",
        reference_price=price,
        daily_volatility=volatility,
        daily_volume=Decimal(volume),
        price_digits=price_digits,
        amount_digits=amount_digits,
        min_amount=Decimal(1).scaleb(-amount_digits),
        max_amount=Decimal(volume) / 10,
        min_cost=Decimal(5),
    )


def _cross_listing(
    symbol: str, price: float, volume: str, digits: tuple[int, int], *, min_cost: str = "5"
) -> Listing:
    """Return a pair whose price is the ratio of the two assets' prices in USDT."""
    listing = _usdt_listing(symbol, price, 0.02, volume, digits)
    return replace(listing, symbol=symbol, min_cost=Decimal(min_cost), is_cross=True)


_ALL = (
    _usdt_listing("BTC", 60_000, 0.022, "20000", (2, 5)),
    _usdt_listing("ETH", 3_000, 0.03, "300000", (2, 4)),
    _usdt_listing("SOL", 150, 0.04, "4000000", (2, 3)),
    _usdt_listing("BNB", 600, 0.025, "400000", (2, 3)),
    _usdt_listing("XRP", 0.6, 0.035, "400000000", (4, 1)),
    _usdt_listing("ADA", 0.45, 0.035, "200000000", (4, 1)),
    _usdt_listing("DOGE", 0.12, 0.045, "1000000000", (5, 0)),
    _usdt_listing("USDC", 1, 0.0001, "50000000", (4, 2)),
    _usdt_listing("EUR", 1.08, 0.004, "10000000", (4, 2)),
    _cross_listing("ETH/BTC", 0.05, "30000", (6, 4), min_cost="0.0001"),
    _cross_listing("BTC/USDC", 60_000, "5000", (2, 5)),
    _cross_listing("ETH/USDC", 3_000, "60000", (2, 4)),
    _cross_listing("SOL/USDC", 150, "1000000", (2, 3)),
    _cross_listing("BTC/EUR", 55_500, "2000", (2, 5)),
)
_PERPETUALS = tuple(
    replace(listing, symbol=f"{listing.symbol}:{SETTLEMENT_ASSET}")
    for listing in _ALL
    if listing.symbol in ("BTC/USDT", "ETH/USDT", "SOL/USDT")
)
LISTINGS = {listing.symbol: listing for listing in (*_ALL, *_PERPETUALS)}

_NUMBERED = re.compile(r"M[0-9]{3}/USDT")


def is_listed(symbol: str) -> bool:
    """Return whether the sandbox lists a symbol."""
    return symbol in LISTINGS or _NUMBERED.fullmatch(symbol) is not None


def find_listing(symbol: str) -> Listing:
    """Return a symbol's listing; M000/USDT to M999/USDT exist for tests with many symbols.

    Raises `UnknownSymbol`.
    """
    if symbol in LISTINGS:
        return LISTINGS[symbol]
    if not is_listed(symbol):
        raise UnknownSymbol(f"the sandbox trades {', '.join(LISTINGS)}, not {symbol}")
    name = symbol.partition("/")[0]
    price = 5 + int(name[1:]) / 4
    return _usdt_listing(name, price, 0.03, "5000000", (3, 2))
