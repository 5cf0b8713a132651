"""Every error a client can meet: one class for each fact, turned into HTTP by one handler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class FieldError(NamedTuple):
    """One refused field of a request: its dotted name and what it takes."""

    field: str
    message: str


class ApiError(Exception):
    """Base of all errors that become an answer in the contract's shape.

    `details` is shown to the client: it never holds a secret nor an
    exception's own text.
    """

    status = 500
    type = "internal_error"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        details: str | None = None,
        *,
        fields: Sequence[FieldError] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(details or self.type)
        self.details = details
        self.fields = tuple(fields)
        self.retry_after_s = retry_after_s

    @property
    def title(self) -> str:
        """The short human sentence of this error, the same for every occurrence."""
        return self.type.replace("_", " ").capitalize()


class MalformedRequest(ApiError):
    """The request cannot be read: broken JSON, a bad header, a bad query string."""

    status = 400
    type = "malformed_request"


class ValidationFailed(ApiError):
    """Fields are missing, unknown, or of the wrong type or range; `fields` names each."""

    status = 400
    type = "validation_error"


class InvalidCursor(ApiError):
    """The cursor was not given out by this list."""

    status = 400
    type = "invalid_cursor"


class InvalidSymbol(ApiError):
    """The symbol is not traded on the exchange."""

    status = 400
    type = "invalid_symbol"


class InvalidExchange(ApiError):
    """The bot is not connected to an exchange of this name."""

    status = 400
    type = "invalid_exchange"


class AuthenticationFailed(ApiError):
    """Base of the errors about who is calling; `username` is for the audit, never shown."""

    status = 401
    type = "authentication_failed"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, details: str | None = None, *, username: str | None = None) -> None:
        super().__init__(details)
        self.username = username


class NotAuthenticated(AuthenticationFailed):
    """No credentials came with the request."""

    type = "not_authenticated"


class InvalidCredentials(AuthenticationFailed):
    """Name and password do not match, or the account is disabled."""

    type = "invalid_credentials"


class InvalidToken(AuthenticationFailed):
    """The token is forged, malformed, revoked or not meant for this server."""

    type = "invalid_token"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class TokenExpired(InvalidToken):
    """The token was valid once."""

    type = "token_expired"


class TokenReused(InvalidToken):
    """A spent refresh token came back: one of two holders stole it, so the session is over."""

    type = "token_reused"


class Forbidden(ApiError):
    """The caller is known but lacks the scope that the route asks for."""

    status = 403
    type = "forbidden"


class NotFound(ApiError):
    """Nothing stands at this address."""

    status = 404
    type = "not_found"


class MethodNotAllowed(ApiError):
    """The address exists, the method does not."""

    status = 405
    type = "method_not_allowed"


class Conflict(ApiError):
    """The request contradicts the present state."""

    status = 409
    type = "conflict"


class BodyTooLarge(ApiError):
    """The body is larger than the server takes."""

    status = 413
    type = "body_too_large"


class UnsupportedMediaType(ApiError):
    """The body is not JSON."""

    status = 415
    type = "unsupported_media_type"


class RateLimited(ApiError):
    """Too many requests of this class."""

    status = 429
    type = "rate_limited"


class TooManyStreams(ApiError):
    """The user has as many streams open as one may have."""

    status = 429
    type = "too_many_streams"


class StreamsFull(ApiError):
    """The server has as many streams open, or tickets unspent, as it takes."""

    status = 503
    type = "streams_full"


class InternalError(ApiError):
    """A defect of ours; the log has it under the request id, the client does not."""


class StoreUnavailable(ApiError):
    """The database is locked, full or away: nothing was written."""

    status = 503
    type = "store_unavailable"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class BridgeError(ApiError):
    """Base of the errors that the bot or an exchange causes."""

    status = 502
    type = "exchange_error"


class OrderNotFound(BridgeError):
    """No order has the requested id."""

    status = 404
    type = "order_not_found"


class TradeNotFound(BridgeError):
    """No trade has the requested id."""

    status = 404
    type = "trade_not_found"


class OrderNotOpen(BridgeError):
    """The order has ended: it can no longer be changed or canceled."""

    status = 409
    type = "order_not_open"


class DuplicateOrder(BridgeError):
    """The client order id is taken by an order with other parameters."""

    status = 409
    type = "duplicate_order"


class OrderRefused(BridgeError):
    """The order is well formed and was refused; subclasses name the rule."""

    status = 422
    type = "order_refused"


class InsufficientFunds(OrderRefused):
    """The available balance does not cover the order."""

    type = "insufficient_funds"


class QuantityBelowMinimum(OrderRefused):
    """The quantity is below the exchange's minimum for the symbol."""

    type = "quantity_below_minimum"


class QuantityAboveMaximum(OrderRefused):
    """The quantity is above the exchange's maximum for the symbol."""

    type = "quantity_above_maximum"


class CostBelowMinimum(OrderRefused):
    """Price times quantity is below the exchange's minimum for the symbol."""

    type = "cost_below_minimum"


class CostAboveMaximum(OrderRefused):
    """Price times quantity is above the exchange's maximum for the symbol."""

    type = "cost_above_maximum"


class PriceOffTick(OrderRefused):
    """The price is not a multiple of the symbol's price step."""

    type = "price_off_tick"


class QuantityOffStep(OrderRefused):
    """The quantity is not a multiple of the symbol's quantity step."""

    type = "quantity_off_step"


class PriceOutOfRange(OrderRefused):
    """The price is outside of what the exchange takes for the symbol."""

    type = "price_out_of_range"


class StopPriceReached(OrderRefused):
    """The stop price would trigger at once at the present price."""

    type = "stop_price_reached"


class ExitOnWrongSide(OrderRefused):
    """A take profit would lose, or a stop loss would win."""

    type = "exit_on_wrong_side"


class PriceWouldTakeAtOnce(OrderRefused):
    """The new price would be taken by the market at once: that is another order."""

    type = "price_would_take_at_once"


class ReduceOnlyNotSupported(OrderRefused):
    """Only futures know orders that may reduce a position but not open one."""

    type = "reduce_only_not_supported"


class RiskMaxOrderValue(OrderRefused):
    """The order is worth more than the risk limit allows."""

    type = "risk_max_order_value"


class RiskMaxOpenOrders(OrderRefused):
    """With the order more orders would be open than the risk limit allows."""

    type = "risk_max_open_orders"


class RiskSymbols(OrderRefused):
    """The risk limit does not allow this symbol."""

    type = "risk_symbols"


class RiskMaxDailyLoss(OrderRefused):
    """The day's loss has reached the risk limit: nothing is traded until resumed or midnight."""

    type = "risk_max_daily_loss"


class TradingPaused(BridgeError):
    """The bot is paused: nothing new is traded until it is resumed."""

    status = 409
    type = "trading_paused"


class ExchangeRefused(BridgeError):
    """The exchange answered with a refusal."""

    status = 502
    type = "exchange_refused"


class ExchangeRateLimited(BridgeError):
    """The exchange takes no more requests from this account for now; nothing was sent."""

    status = 502
    type = "exchange_rate_limited"


class ExchangeUnreachable(BridgeError):
    """The exchange does not answer."""

    status = 502
    type = "exchange_unreachable"


class BotNotReady(BridgeError):
    """The bot is starting, stopped or failed: there is nothing to read or command."""

    status = 503
    type = "bot_not_ready"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 2) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class JournalDown(BridgeError):
    """Orders cannot be written down, so none is sent."""

    status = 503
    type = "journal_unavailable"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class BotTimeout(BridgeError):
    """The bot did not answer in time."""

    status = 504
    type = "bot_timeout"


class OrderStateUnknown(BridgeError):
    """Nobody can say yet whether the exchange has the order; it stays findable by its client id."""

    status = 504
    type = "order_state_unknown"
