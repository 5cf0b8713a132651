"""What the sandbox trades: each symbol's rules, and the character of its price."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

TAKER_FEE = MAKER_FEE = Decimal("0.001")
SETTLES_IN = "USDT"


class UnknownSymbol(ValueError):
    """The sandbox does not trade the symbol."""


@dataclass(frozen=True)
class Listing:
    """One market: `usual_price` and `daily_volume` (in base) only set the scale of the path."""

    symbol: str
    usual_price: float
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
        """The asset that is bought and sold."""
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """The asset that pays for it."""
        return self.underlying.split("/")[1]

    @property
    def is_contract(self) -> bool:
        """Whether it is a perpetual contract on the pair, settled in the quote asset."""
        return ":" in self.symbol

    @property
    def underlying(self) -> str:
        """The pair whose natural price it has."""
        return self.symbol.split(":")[0]

    @cached_property
    def price_tick(self) -> Decimal:
        """The smallest difference between two prices."""
        return Decimal(1).scaleb(-self.price_digits)

    @cached_property
    def amount_step(self) -> Decimal:
        """The smallest difference between two amounts."""
        return Decimal(1).scaleb(-self.amount_digits)

    def price(self, raw: float) -> Decimal:
        """Round a raw price to the tick; rounding keeps order, so extremes stay extremes.

        The lowest price is two ticks: below it there is room for a bid.
        """
        return Decimal(max(2, round(raw * 10**self.price_digits))) * self.price_tick

    def amount(self, steps: int) -> Decimal:
        """Turn a count of amount steps into an amount."""
        return Decimal(steps) * self.amount_step


def _against_usdt(
    base: str, price: float, volatility: float, volume: str, digits: tuple[int, int]
) -> Listing:
    price_digits, amount_digits = digits
    return Listing(
        symbol=f"{base}/USDT",
        usual_price=price,
        daily_volatility=volatility,
        daily_volume=Decimal(volume),
        price_digits=price_digits,
        amount_digits=amount_digits,
        min_amount=Decimal(1).scaleb(-amount_digits),
        max_amount=Decimal(volume) / 10,
        min_cost=Decimal(5),
    )


_ALL = (
    _against_usdt("BTC", 60_000, 0.022, "20000", (2, 5)),
    _against_usdt("ETH", 3_000, 0.03, "300000", (2, 4)),
    _against_usdt("SOL", 150, 0.04, "4000000", (2, 3)),
    _against_usdt("BNB", 600, 0.025, "400000", (2, 3)),
    _against_usdt("XRP", 0.6, 0.035, "400000000", (4, 1)),
    _against_usdt("ADA", 0.45, 0.035, "200000000", (4, 1)),
    _against_usdt("DOGE", 0.12, 0.045, "1000000000", (5, 0)),
    Listing(
        symbol="ETH/BTC",
        usual_price=0.05,
        daily_volatility=0.02,
        daily_volume=Decimal(30_000),
        price_digits=6,
        amount_digits=4,
        min_amount=Decimal("0.0001"),
        max_amount=Decimal(3_000),
        min_cost=Decimal("0.0001"),
        is_cross=True,
    ),
)
_PERPETUALS = tuple(
    replace(listing, symbol=f"{listing.symbol}:{SETTLES_IN}")
    for listing in _ALL
    if listing.symbol in ("BTC/USDT", "ETH/USDT", "SOL/USDT")
)
LISTINGS = {listing.symbol: listing for listing in (*_ALL, *_PERPETUALS)}

_NUMBERED = re.compile(r"M[0-9]{3}/USDT")


def is_listed(symbol: str) -> bool:
    """Tell whether the sandbox trades a symbol."""
    return symbol in LISTINGS or _NUMBERED.fullmatch(symbol) is not None


def find_listing(symbol: str) -> Listing:
    """Return a symbol's listing; M000/USDT to M999/USDT are markets for who needs many.

    Raises `UnknownSymbol`.
    """
    if symbol in LISTINGS:
        return LISTINGS[symbol]
    if not is_listed(symbol):
        raise UnknownSymbol(f"the sandbox trades {', '.join(LISTINGS)}, not {symbol}")
    name = symbol.partition("/")[0]
    price = 5 + int(name[1:]) / 4
    return _against_usdt(name, price, 0.03, "5000000", (3, 2))
