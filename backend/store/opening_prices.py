"""What the accounts began with, and the first prices of it that were known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from backend.store.journal.models import BalanceRow
from backend.store.models import OpeningPrice


class Held(NamedTuple):
    """An amount that an account began with; `price` in the reference market, if it is known."""

    account: str
    asset: str
    quantity: Decimal
    price: Decimal | None


def note_prices(
    session: Session, account: str, reference_market: str, prices: Mapping[str, Decimal]
) -> None:
    """Keep the price of each asset, unless an earlier one of this account is there."""
    known = select(OpeningPrice.asset).where(
        OpeningPrice.account == account, OpeningPrice.reference_market == reference_market
    )
    for asset in prices.keys() - set(session.scalars(known)):
        session.add(
            OpeningPrice(
                account=account,
                asset=asset,
                reference_market=reference_market,
                price=prices[asset],
            )
        )


def of_accounts(
    session: Session, accounts: Sequence[str], reference_market: str
) -> frozenset[Held]:
    """Return what accounts began with."""
    price = and_(
        OpeningPrice.account == BalanceRow.account,
        OpeningPrice.asset == BalanceRow.asset,
        OpeningPrice.reference_market == reference_market,
    )
    rows = session.execute(
        select(BalanceRow.account, BalanceRow.asset, BalanceRow.opened, OpeningPrice.price)
        .outerjoin(OpeningPrice, price)
        .where(BalanceRow.account.in_(accounts), BalanceRow.opened.is_not(None))
    )
    return frozenset(
        Held(account, asset, opened, known_price)
        for account, asset, opened, known_price in rows
        if opened is not None
    )
