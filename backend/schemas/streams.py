"""Stream subscriptions and tickets."""

from __future__ import annotations

from pydantic import Field, field_validator

from backend.schemas.common import Model, RequestModel, parse_symbol

TOPICS = ("prices", "orders", "trades", "portfolio", "bot")


class StreamQuery(RequestModel):
    """What a stream carries; comma-separated."""

    topics: str | None = Field(
        None,
        max_length=200,
        description="Any of prices, orders, trades, portfolio, bot; all if left out.",
    )
    symbols: str | None = Field(
        None,
        max_length=2000,
        description="Only events of these symbols, such as BTC-USDT,ETH-USDT.",
    )
    ticket: str | None = Field(
        None, max_length=100, description="A ticket, for clients that cannot set headers."
    )

    @field_validator("topics")
    @classmethod
    def _known_topics(cls, value: str | None) -> str | None:
        for topic in (value or "prices").split(","):
            if topic not in TOPICS:
                raise ValueError(f"any of {', '.join(TOPICS)}, comma-separated")
        return value

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return ",".join(parse_symbol(part) for part in value.split(","))


class StreamTicket(Model):
    """A pass for one connection."""

    ticket: str
    expires_in: int = Field(description="Seconds until the ticket expires unused.")
