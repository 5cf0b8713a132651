"""Models of stream subscriptions and tickets."""

from __future__ import annotations

from typing import get_args

from pydantic import Field, field_validator

from backend.schemas.common import Model, RequestModel, parse_symbol
from backend.schemas.markets import Interval
from backend.schemas.topics import Topic

DEFAULT_TOPICS: tuple[Topic, ...] = (
    "prices",
    "orders",
    "trades",
    "positions",
    "portfolio",
    "bot",
)
TOPICS: tuple[Topic, ...] = (
    *DEFAULT_TOPICS,
    "candles",
    "order_book",
    "evaluators",
    "notifications",
    "logs",
)


class TopicStreamQuery(RequestModel):
    """Query parameters of a stream with fixed topics."""

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
        """Return the requested symbols; None for all."""
        return None if self.symbols is None else frozenset(self.symbols.split(","))


class StreamQuery(TopicStreamQuery):
    """Query parameters of a stream: topics, symbols and intervals."""

    topics: str | None = Field(
        None,
        max_length=200,
        description=f"Any of {', '.join(TOPICS)}, comma-separated; if left out, what the caller "
        f"may read of {', '.join(DEFAULT_TOPICS)}.",
        examples=["prices,orders"],
    )
    intervals: str | None = Field(
        None,
        max_length=100,
        description="Only candles of these intervals, comma-separated; all that the bot follows "
        "if left out.",
        examples=["1m,1h"],
    )

    @field_validator("intervals")
    @classmethod
    def _known_intervals(cls, value: str | None) -> str | None:
        for interval in [] if value is None else value.split(","):
            if interval not in get_args(Interval):
                raise ValueError(f"any of {', '.join(get_args(Interval))}, comma-separated")
        return value

    @field_validator("topics")
    @classmethod
    def _known_topics(cls, value: str | None) -> str | None:
        for topic in [] if value is None else value.split(","):
            if topic not in TOPICS:
                raise ValueError(f"any of {', '.join(TOPICS)}, comma-separated")
        return value

    def chosen_intervals(self) -> frozenset[str] | None:
        """Return the requested candle intervals; None for all."""
        return None if self.intervals is None else frozenset(self.intervals.split(","))

    def chosen_topics(self) -> tuple[Topic, ...] | None:
        """Return the requested topics, in the order of snapshots; None for all."""
        if self.topics is None:
            return None
        asked = self.topics.split(",")
        return tuple(topic for topic in TOPICS if topic in asked)


class StreamTicket(Model):
    """A pass for one connection."""

    ticket: str
    expires_in: int = Field(description="Seconds until the ticket expires unused.")
