"""Errors of exchanges: what they refuse, and what they do not tell."""

from __future__ import annotations

from backend.errors.base import BridgeError


class ExchangeRefused(BridgeError):
    """The exchange answered with a refusal."""

    status = 502
    type = "exchange_refused"


class ExchangeRateLimited(BridgeError):
    """The exchange's rate limit of this account is reached; nothing was sent."""

    status = 503
    type = "exchange_rate_limited"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class ExchangeMaintenance(BridgeError):
    """The exchange says that it is under maintenance."""

    status = 503
    type = "exchange_maintenance"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 30) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class ExchangeAuthenticationFailed(BridgeError):
    """The exchange refused the API key, or what it may do."""

    status = 502
    type = "exchange_authentication_failed"


class SymbolNotTraded(BridgeError):
    """The exchange does not trade the symbol any more, or not now."""

    status = 404
    type = "symbol_not_traded"


class ExchangeAnswerUnreadable(BridgeError):
    """The exchange's answer lacks what it has to tell, or contradicts itself."""

    status = 502
    type = "exchange_answer_unreadable"


class ExchangeUnreachable(BridgeError):
    """The exchange does not answer."""

    status = 502
    type = "exchange_unreachable"


class OrderStateUnknown(BridgeError):
    """It is unknown whether the exchange has the order; it can be found by its client order id."""

    status = 504
    type = "order_state_unknown"


class PriceStale(BridgeError):
    """The exchange has not confirmed the symbol's price for too long."""

    status = 503
    type = "price_stale"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(details, retry_after_s=retry_after_s)
