"""Models of journalled events as a list, for clients that were disconnected for long."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from backend.schemas.common import Model, PageQuery
from backend.schemas.topics import JOURNALLED, Topic

JOURNALLED_TOPICS: tuple[Topic, ...] = ("orders", "trades", "positions")


class EventQuery(PageQuery):
    """Filters of journalled events."""

    after: str | None = Field(
        None,
        max_length=50,
        description="An id from a stream or from this list: only what followed it, oldest first. "
        "If left out, all that is kept.",
        examples=["19b1f0c2a40-18691697672195"],
    )
    topics: str | None = Field(
        None,
        max_length=200,
        description=f"Any of {', '.join(JOURNALLED_TOPICS)}, comma-separated; if left out, all "
        "that the caller may read.",
        examples=["orders,trades"],
    )

    @field_validator("topics")
    @classmethod
    def _known_topics(cls, value: str | None) -> str | None:
        for topic in [] if value is None else value.split(","):
            if topic not in JOURNALLED:
                raise ValueError(f"any of {', '.join(JOURNALLED_TOPICS)}, comma-separated")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> EventQuery:
        if self.after is not None and self.cursor is not None:
            raise ValueError("cursor: goes on from a page; leave `after` out")
        return self

    def chosen_topics(self) -> tuple[Topic, ...] | None:
        """Return the requested topics; None for all."""
        if self.topics is None:
            return None
        asked = self.topics.split(",")
        return tuple(topic for topic in JOURNALLED_TOPICS if topic in asked)


class PastEvent(Model):
    """One event, as the streams told it."""

    id: str = Field(description="What to pass as `after`, here or to a stream.", examples=["0-17"])
    topic: Topic
    event: str = Field(examples=["order_filled"])
    data: dict[str, Any] = Field(
        description="`exchange`, `symbol`, `timestamp`, and the order, trade or position under "
        "its name."
    )
