"""Live events: how they are spelled on the wire, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from octobot_client.models import Order, Portfolio, Position, Trade, build


@dataclass(frozen=True)
class Event:
    """One thing that happened; `id` is None while the server's place has not moved.

    A `snapshot` holds a whole topic as it stands: replace what you know of it. After
    a `reset` snapshots follow, and what is missing from them is no more.
    """

    name: str
    id: str | None
    data: Mapping[str, Any]

    @property
    def topic(self) -> str | None:
        """Of a snapshot, what it is of."""
        return self.data.get("topic")

    @property
    def items(self) -> list[Any]:
        """Of a snapshot, what it holds, as JSON: a list, or the one object in a list."""
        held = self.data.get("data")
        return held if isinstance(held, list) else [] if held is None else [held]

    @property
    def symbol(self) -> str | None:
        """What it is about."""
        return self.data.get("symbol")

    @property
    def timestamp(self) -> datetime:
        """When it happened."""
        return datetime.fromisoformat(self.data["timestamp"].replace("Z", "+00:00"))

    @property
    def price(self) -> Decimal:
        """Of a `price_update`."""
        return Decimal(self.data["price"])

    @property
    def order(self) -> Order:
        """Of an event about an order, the order as it stood then."""
        return build(Order, self.data["order"])

    @property
    def trade(self) -> Trade:
        """Of a `trade` or a `trade_replaced`."""
        return build(Trade, self.data["trade"])

    @property
    def position(self) -> Position:
        """Of an event about a position."""
        return build(Position, self.data["position"])

    @property
    def portfolio(self) -> Portfolio:
        """Of a `portfolio_updated`."""
        return build(Portfolio, self.data["portfolio"])


class Parser:
    """Takes bytes as they come and gives the events that are complete.

    Lines end with a line feed and nothing else: texts may hold what other
    splitters take for a line's end.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes in."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            fields = dict(
                _field(line) for line in block.split(b"\n") if line[:1] not in (b"", b":")
            )
            if "event" in fields:
                yield Event(fields["event"], fields.get("id"), json.loads(fields["data"]))


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().partition(":")
    return name, value.removeprefix(" ")
