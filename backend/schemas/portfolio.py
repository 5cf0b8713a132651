"""Models of the portfolio: balances and value."""

from __future__ import annotations

from pydantic import Field

from backend.schemas.common import Model, Money


class Balance(Model):
    """Amounts of one asset."""

    asset: str
    total: Money
    available: Money
    locked: Money


class Holding(Balance):
    """One asset and its worth in the reference market."""

    price: Money | None = Field(
        description="Price of one unit in the reference market; null if unknown."
    )
    value: Money | None
    share: Money | None = Field(description="Part of the total value, 0 to 1.")


class ExchangeBalances(Model):
    """Balances on one exchange."""

    exchange: str
    balances: list[Balance]


class ExchangeHoldings(Model):
    """Holdings on one exchange."""

    exchange: str
    balances: list[Holding]


class Profitability(Model):
    """Gain since the bot's first start, in the reference market."""

    value: Money
    percent: Money


class Portfolio(Model):
    """The whole account."""

    reference_market: str
    total_value: Money | None = Field(
        description="Null while an asset has no price: see `unpriced`."
    )
    profitability: Profitability | None = Field(
        description="Null while an asset has no price: see `unpriced`."
    )
    unpriced: list[str] = Field(
        description="Assets that no market of the exchange prices, in one or two steps."
    )
    stale: list[str] = Field(
        description="Assets valued at a price that the exchange has not confirmed lately."
    )
    exchanges: list[ExchangeHoldings]
