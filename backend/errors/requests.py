"""Errors of requests: malformed, not allowed, too many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backend.errors.base import ApiError


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


class UpgradeRequired(ApiError):
    """The address is a WebSocket's, and the request is none."""

    status = 426
    type = "upgrade_required"
    headers: ClassVar[Mapping[str, str]] = {"Upgrade": "websocket", "Connection": "Upgrade"}


class RateLimited(ApiError):
    """Too many requests of this class."""

    status = 429
    type = "rate_limited"


class RateLimitsAway(ApiError):
    """The storage of the limits does not answer, and this request must not go uncounted."""

    status = 503
    type = "rate_limits_away"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


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


class EventsGone(ApiError):
    """The events after this id are not kept, or there never was such an id."""

    status = 410
    type = "events_gone"


class StoreUnavailable(ApiError):
    """The database is locked, full or away: nothing was written."""

    status = 503
    type = "store_unavailable"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class ExchangeUnknown(ApiError):
    """There is no exchange of this name."""

    status = 404
    type = "exchange_unknown"


class CredentialsNotFound(ApiError):
    """No keys of this exchange are stored."""

    status = 404
    type = "credentials_not_found"


class CredentialsUnreadable(ApiError):
    """Stored keys cannot be decrypted with the keys that the settings hold."""

    status = 409
    type = "credentials_unreadable"


class EncryptionKeyMissing(CredentialsUnreadable):
    """Nothing is stored without a key to encrypt it with."""

    type = "encryption_key_missing"
