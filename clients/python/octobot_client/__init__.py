"""Client of the OctoBot backend: portfolio, orders, trades, markets and live events."""

from octobot_client.client import Client
from octobot_client.errors import (
    ApiError,
    AuthenticationFailed,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    OrderStateUnknown,
    RateLimited,
    Refused,
    Unavailable,
)
from octobot_client.events import Event
from octobot_client.mirror import Mirror
from octobot_client.models import (
    Balance,
    Candle,
    Exchange,
    Fee,
    Market,
    Order,
    Portfolio,
    Position,
    Ticker,
    Trade,
    User,
)

__all__ = [
    "ApiError",
    "AuthenticationFailed",
    "Balance",
    "Candle",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "Exchange",
    "Fee",
    "Forbidden",
    "InvalidRequest",
    "Market",
    "Mirror",
    "NotFound",
    "Order",
    "OrderStateUnknown",
    "Portfolio",
    "Position",
    "RateLimited",
    "Refused",
    "Ticker",
    "Trade",
    "Unavailable",
    "User",
]
