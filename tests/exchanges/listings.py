"""Listings of the offline exchange: markets of every shape that real exchanges have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ccxt.base.decimal_to_precision import DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE
from pydantic import BaseModel

from tests.exchanges.behavior import PrecisionMode

MODES = {
    "decimal_places": DECIMAL_PLACES,
    "tick_size": TICK_SIZE,
    "significant_digits": SIGNIFICANT_DIGITS,
}
_DIGITS = 5


class Listing(BaseModel):
    """One market; `price` is the one that it opens with.

    With a `settle` asset it is a perpetual contract: `step` and `min_amount` are in contracts.
    Without `limits` the exchange tells null for each of them.
    """

    symbol: str
    price: Decimal
    step: Decimal = Decimal("0.00001")
    tick: Decimal = Decimal("0.01")
    min_amount: Decimal = Decimal("0.00001")
    min_cost: Decimal = Decimal(1)
    limits: bool = True
    contract_size: Decimal | None = None
    inverse: bool = False
    max_leverage: int = 100
    active: bool = True

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2].partition(":")[0]

    @property
    def settle(self) -> str | None:
        return self.symbol.partition(":")[2] or None

    @property
    def size(self) -> Decimal:
        """Contract size; 1 on spot markets."""
        return Decimal(1) if self.contract_size is None else self.contract_size

    def cost(self, amount: Decimal, price: Decimal) -> Decimal:
        """Return the value of an amount in the quote asset; of an inverse contract in the base."""
        return amount * self.size / price if self.inverse else amount * self.size * price

    def market_row(self, mode: PrecisionMode, rates: tuple[Decimal, Decimal]) -> dict[str, Any]:
        """Return the market as an argument of ccxt's `safe_market_structure`."""
        is_contract = self.settle is not None
        return {
            "id": self.symbol.replace("/", "_").replace(":", "-"),
            "symbol": self.symbol,
            "base": self.base,
            "quote": self.quote,
            "settle": self.settle,
            "baseId": self.base,
            "quoteId": self.quote,
            "settleId": self.settle,
            "type": "swap" if is_contract else "spot",
            "spot": not is_contract,
            "margin": False,
            "swap": is_contract,
            "future": False,
            "option": False,
            "contract": is_contract,
            "linear": not self.inverse if is_contract else None,
            "inverse": self.inverse if is_contract else None,
            "contractSize": float(self.size) if is_contract else None,
            "active": self.active,
            "maker": float(rates[0]),
            "taker": float(rates[1]),
            "percentage": True,
            "tierBased": False,
            "precision": {
                "amount": _precision(mode, self.step, DECIMAL_PLACES),
                "price": _precision(mode, self.tick, SIGNIFICANT_DIGITS),
            },
            "limits": self._limits(),
            "info": {},
        }

    def _limits(self) -> dict[str, Any]:
        if not self.limits:
            empty = {"min": None, "max": None}
            return {name: dict(empty) for name in ("amount", "price", "cost", "leverage")}
        is_contract = self.settle is not None
        leverage = (
            {"min": 1, "max": self.max_leverage} if is_contract else {"min": None, "max": None}
        )
        return {
            "amount": {"min": float(self.min_amount), "max": None},
            "price": {"min": float(self.tick), "max": None},
            "cost": {"min": None if is_contract else float(self.min_cost), "max": None},
            "leverage": leverage,
        }


def _precision(mode: PrecisionMode, step: Decimal, digits_of: int) -> float | int:
    """Return a precision; with significant digits that of amounts is of 15 of them."""
    if mode == "tick_size":
        return float(step)
    if mode == "significant_digits":
        return _DIGITS if digits_of == SIGNIFICANT_DIGITS else 15
    exponent = step.normalize().as_tuple().exponent
    return max(-int(exponent), 0)


BTC = Listing(symbol="BTC/USDT", price=Decimal(40_000))
ETH = Listing(symbol="ETH/USDT", price=Decimal(2_000))
CROSS = Listing(symbol="ETH/BTC", price=Decimal("0.05"), tick=Decimal("0.00001"))
THIRD = Listing(symbol="BNB/USDT", price=Decimal(500))
SPOT = (BTC, ETH, CROSS, THIRD)

TINY_TICK = Listing(
    symbol="PEPE/USDT",
    price=Decimal("0.000001234567"),
    tick=Decimal("1e-12"),
    step=Decimal(1),
    min_amount=Decimal(1),
)
NO_LIMITS = Listing(symbol="NEW/USDT", price=Decimal(3), limits=False)
ODD_NAMES = tuple(
    Listing(symbol=f"{base}/USDT", price=Decimal(2))
    for base in ("1000SATS", "币安人生", "$TRUMP", "BTC-2", "STETH.E", "aUSDC", "Ω")
)

LINEAR = Listing(
    symbol="BTC/USDT:USDT",
    price=Decimal(40_000),
    contract_size=Decimal("0.01"),
    step=Decimal(1),
    min_amount=Decimal(1),
    tick=Decimal("0.1"),
)
LINEAR_10 = Listing(
    symbol="SOL/USDT:USDT",
    price=Decimal(100),
    contract_size=Decimal(10),
    step=Decimal(1),
    min_amount=Decimal(1),
)
LINEAR_1000 = Listing(
    symbol="SHIB/USDT:USDT",
    price=Decimal("0.00001234"),
    contract_size=Decimal(1000),
    step=Decimal(1),
    min_amount=Decimal(1),
    tick=Decimal("1e-8"),
)
INVERSE = Listing(
    symbol="BTC/USD:BTC",
    price=Decimal(40_000),
    contract_size=Decimal(100),
    inverse=True,
    step=Decimal(1),
    min_amount=Decimal(1),
    tick=Decimal("0.1"),
)
CONTRACTS = (LINEAR, LINEAR_10, LINEAR_1000, INVERSE)
