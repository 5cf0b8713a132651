"""AccountValue: present value of all exchange accounts in the reference market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class AccountValue:
    """Total value of all balances, in the reference market.

    `total_value` is None while an asset has no price, or a stale one. `accounts` maps
    exchange to account name, `prices` and `values` each priced asset to its price and value.
    Of the `unpriced` assets the price may still come if they are `pending`; so are those
    with a stale price. `complete` is False while the price of an asset with a followed
    market is missing.
    """

    reference_market: str
    total_value: Decimal | None
    accounts: Mapping[str, str]
    prices: Mapping[str, Decimal]
    complete: bool
    values: Mapping[str, Decimal] = field(default_factory=dict)
    unpriced: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()

    @property
    def account(self) -> str:
        """Joined name of all accounts: only values under the same name can be compared."""
        return "+".join(sorted(self.accounts.values()))
