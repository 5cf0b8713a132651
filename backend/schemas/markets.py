"""Models of exchanges, markets, tickers, candles and order books."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.schemas.common import Model, Money, RequestModel, Symbol, UtcTime

Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"]


class MarketQuery(RequestModel):
    """Query parameter that selects an exchange."""

    exchange: str | None = Field(
        None,
        pattern=r"^[a-z0-9_]{1,32}$",
        description="May be left out while the bot has one exchange.",
    )


class CandleQuery(MarketQuery):
    """Filters of candles."""

    interval: Interval = "1m"
    limit: int = Field(100, ge=1, le=500)


class BookQuery(MarketQuery):
    """Query parameters of an order book: its exchange and depth."""

    limit: int = Field(20, ge=1, le=100, description="Levels of each side.")


class TickerQuery(MarketQuery):
    """Filters of tickers."""

    symbol: Symbol | None = None


class Exchange(Model):
    """An exchange that the bot is connected to."""

    id: str
    name: str
    trading: Literal["paper", "real"]
    type: Literal["spot", "future"]
    ready: bool
    symbols: list[str] = Field(description="Symbols that the bot follows and trades.")
    intervals: list[str]


class Limits(Model):
    """What the exchange takes; null where it names no bound."""

    min: Money | None
    max: Money | None


class Market(Model):
    """Trading rules of one symbol; quantities are in the base asset, of contracts too."""

    exchange: str
    symbol: str
    base: str
    quote: str
    price_step: Money | None = Field(
        description="Null where the step depends on the price, as with significant digits."
    )
    quantity_step: Money | None
    quantity: Limits
    price: Limits
    cost: Limits
    contract_size: Money | None = Field(
        description="Base quantity of one contract of the exchange; null on spot markets."
    )
    max_leverage: Money | None = Field(
        description="Of a contract; null where the exchange lists none, and on spot markets."
    )
    maker_fee: Money | None
    taker_fee: Money | None


class TickerProblem(Model):
    """Why the exchange told no ticker of a symbol; the fields are those of an error."""

    code: int = Field(examples=[404])
    type: str = Field(examples=["symbol_not_traded"])
    error: str
    details: str | None


class Ticker(Model):
    """Price and 24 h figures of one symbol; null where the exchange tells none."""

    exchange: str
    symbol: str
    price: Money | None
    bid: Money | None
    ask: Money | None
    open: Money | None
    high: Money | None
    low: Money | None
    volume: Money | None = Field(description="Traded in 24 h, in the base asset.")
    change_percent: Money | None
    timestamp: UtcTime | None = Field(description="The exchange's own time; null if it names none.")
    received_at: UtcTime = Field(description="When the exchange was asked.")
    problem: TickerProblem | None = Field(
        None, description="Set in a list where there is no ticker of the symbol."
    )


class Candle(Model):
    """Prices of one interval."""

    time: UtcTime
    open: Money
    high: Money
    low: Money
    close: Money
    volume: Money | None = Field(description="Null if the exchange does not tell.")
    closed: bool


class BookLevel(Model):
    """One price and what stands there."""

    price: Money
    quantity: Money


class OrderBook(Model):
    """Best bids and asks, best first."""

    exchange: str
    symbol: str
    bids: list[BookLevel]
    asks: list[BookLevel]
    timestamp: UtcTime | None = Field(description="The exchange's own time; null if it names none.")
    received_at: UtcTime = Field(description="When the exchange was asked.")
