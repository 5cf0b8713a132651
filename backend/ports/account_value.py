"""AccountValue: present value of all exchange accounts in the reference market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class AccountValue:
    """Total value of all balances, in the reference market.

    `accounts` maps exchange to account name, `prices` each held asset to its price; an
    asset without a price is in neither prices nor value. `complete` is False while
    the price of an asset with a followed market is still missing.
    """

    reference_market: str
    total_value: Decimal
    accounts: Mapping[str, str]
    prices: Mapping[str, Decimal]
    complete: bool

    @property
    def account(self) -> str:
        """Joined name of all accounts: only values under the same name can be compared."""
        return "+".join(sorted(self.accounts.values()))
