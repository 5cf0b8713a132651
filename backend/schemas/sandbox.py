"""Models of the control of the sandbox exchange's prices."""

from __future__ import annotations

from pydantic import Field

from backend.schemas.common import Model, Money, PositiveMoney, RequestModel


class PriceChange(RequestModel):
    """The price to jump to."""

    # beyond this the order book's steps would exceed the 64 bits that they are drawn with
    price: PositiveMoney = Field(le=10**9, description="In the quote asset; at most a billion.")
    hold: bool = Field(
        False, description="Stay there until changed or released; else go on from there."
    )


class SandboxPrice(Model):
    """What a sandbox price was told."""

    symbol: str
    price: Money | None = Field(description="Null when the price was released.")
    held: bool
