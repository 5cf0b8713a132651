"""Queries on opening balances of accounts and the first known prices of their assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from backend.store.account_models import OpeningPrice
from backend.store.journal.models import BalanceRow


class OpeningBalance(NamedTuple):
    """Opening balance of an asset; `price` in the reference market, None if unknown."""

    account: str
    asset: str
    quantity: Decimal
    price: Decimal | None


def insert_or_ignore(
    session: Session, account: str, reference_market: str, prices: Mapping[str, Decimal]
) -> None:
    """Insert the price of each asset unless the account has one already."""
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


def list_balances(
    session: Session, accounts: Sequence[str], reference_market: str
) -> frozenset[OpeningBalance]:
    """Return the opening balances of accounts."""
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
        OpeningBalance(account, asset, opened, known_price)
        for account, asset, opened, known_price in rows
        if opened is not None
    )
