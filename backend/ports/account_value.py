"""What the whole account is worth right now, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class AccountValue:
    """The value of all that is held, in the reference market.

    `accounts` are their names by exchange, `prices` of each held asset; one
    without a price is left out of both prices and value. `complete` is False
    while a price is missing that a followed market is going to tell.
    """

    reference_market: str
    total_value: Decimal
    accounts: Mapping[str, str]
    prices: Mapping[str, Decimal]
    complete: bool

    @property
    def account(self) -> str:
        """Name all accounts together: values of the same ones can be compared."""
        return "+".join(sorted(self.accounts.values()))
