"""Stream subscriptions and tickets."""

from __future__ import annotations

from pydantic import Field, field_validator

from backend.schemas.common import Model, RequestModel, parse_symbol
from backend.schemas.events import Topic

TOPICS: tuple[Topic, ...] = ("prices", "orders", "trades", "positions", "portfolio", "bot")


class TopicStreamQuery(RequestModel):
    """What a stream of fixed topics takes."""

    symbols: str | None = Field(
        None,
        max_length=2000,
        description="Only events of these symbols, comma-separated.",
        examples=["BTC-USDT,ETH-USDT"],
    )
    after: str | None = Field(
        None,
        max_length=50,
        description="The last id seen, for clients that cannot send it as Last-Event-ID.",
    )
    ticket: str | None = Field(
        None, max_length=100, description="A ticket, for clients that cannot send Authorization."
    )

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return ",".join(parse_symbol(part) for part in value.split(","))

    def chosen_symbols(self) -> frozenset[str] | None:
        """Return the symbols that were asked for; None for all."""
        return None if self.symbols is None else frozenset(self.symbols.split(","))


class StreamQuery(TopicStreamQuery):
    """What a stream carries."""

    topics: str | None = Field(
        None,
        max_length=200,
        description=f"Any of {', '.join(TOPICS)}, comma-separated; if left out, all that the "
        "caller may read.",
        examples=["prices,orders"],
    )

    @field_validator("topics")
    @classmethod
    def _known_topics(cls, value: str | None) -> str | None:
        for topic in [] if value is None else value.split(","):
            if topic not in TOPICS:
                raise ValueError(f"any of {', '.join(TOPICS)}, comma-separated")
        return value

    def chosen_topics(self) -> tuple[Topic, ...] | None:
        """Return the topics that were asked for, in the order of snapshots; None for all."""
        if self.topics is None:
            return None
        asked = self.topics.split(",")
        return tuple(topic for topic in TOPICS if topic in asked)


class StreamTicket(Model):
    """A pass for one connection."""

    ticket: str
    expires_in: int = Field(description="Seconds until the ticket expires unused.")
