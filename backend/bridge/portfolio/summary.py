"""Summary of the accounts: holdings with their value, the total, and the profit since the start."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from backend.accounting.decimals import ZERO
from backend.accounting.valuation import price_of
from backend.schemas.portfolio import (
    Balance,
    ExchangeHoldings,
    Holding,
    Portfolio,
    Profitability,
)

_CENTS = Decimal("1E-8")


class ValuedBalance(NamedTuple):
    """A balance with its price and value in the reference market; None if unknown."""

    balance: Balance
    price: Decimal | None
    value: Decimal | None
    is_stale: bool


Valued = Mapping[str, Sequence[ValuedBalance]]
"""Valued balances of each exchange."""


class Prices(NamedTuple):
    """Prices by symbol: all that are known, and those that their exchange still confirms."""

    known: Mapping[str, Decimal]
    fresh: Mapping[str, Decimal]
    reference: str

    def value(self, balance: Balance) -> ValuedBalance:
        """Value a balance at fresh prices where there is a way to."""
        price = price_of(self.fresh, balance.asset, self.reference)
        is_stale = price is None and self.fresh is not self.known
        if is_stale:
            price = price_of(self.known, balance.asset, self.reference)
        value = None if price is None else (balance.total * price).quantize(_CENTS)
        return ValuedBalance(balance, price, value, is_stale and price is not None)


def without(prices: Mapping[str, Decimal], stale: Collection[str]) -> Mapping[str, Decimal]:
    """Return the prices of other symbols; the same mapping if none is stale."""
    if not any(symbol in prices for symbol in stale):
        return prices
    return {symbol: price for symbol, price in prices.items() if symbol not in stale}


def _unpriced(valued: Valued) -> list[str]:
    """Return the assets that are held and have no price, by name."""
    return sorted(
        {
            row.balance.asset
            for rows in valued.values()
            for row in rows
            if row.value is None and (row.balance.total or row.balance.available)
        }
    )


def stale(valued: Valued) -> list[str]:
    """Return the assets that are valued at a stale price, by name."""
    return sorted({row.balance.asset for rows in valued.values() for row in rows if row.is_stale})


def total(rows: Sequence[ValuedBalance]) -> Decimal | None:
    """Return the value of an account; None while the price of one of its assets is unknown."""
    values = [row.value for row in rows]
    known = [value for value in values if value is not None]
    return sum(known, ZERO) if len(known) == len(values) else None


def summarize(
    valued: Valued,
    reference: str,
    baselines: Mapping[str, Decimal | None],
    unreadable: Collection[str],
) -> Portfolio:
    """Return the portfolio; its total is null while an asset has no price, or is unreadable."""
    totals = [total(rows) for rows in valued.values()]
    known = [value for value in totals if value is not None]
    whole = sum(known, ZERO) if len(known) == len(totals) and not unreadable else None
    return Portfolio(
        reference_market=reference,
        total_value=whole,
        profitability=_profitability(whole, list(baselines.values())),
        unpriced=sorted({*_unpriced(valued), *unreadable}),
        stale=stale(valued),
        exchanges=[
            ExchangeHoldings(exchange=name, balances=[_holding(row, whole) for row in rows])
            for name, rows in valued.items()
        ],
    )


def _holding(row: ValuedBalance, whole: Decimal | None) -> Holding:
    balance, price, value, _ = row
    return Holding(
        asset=balance.asset,
        total=balance.total,
        available=balance.available,
        locked=balance.locked,
        price=price,
        value=value,
        share=None if value is None or not whole else (value / whole).quantize(_CENTS),
    )


def _profitability(
    whole: Decimal | None, baselines: Sequence[Decimal | None]
) -> Profitability | None:
    known = [value for value in baselines if value is not None]
    if whole is None or len(known) < len(baselines):
        return None
    baseline = sum(known, ZERO)
    if not baseline:
        return Profitability(value=ZERO, percent=ZERO)
    gain = whole - baseline
    return Profitability(value=gain, percent=(gain / baseline * 100).quantize(Decimal("1E-4")))
