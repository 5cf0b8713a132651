"""Errors of requests: malformed, unauthenticated, forbidden, rate-limited; and of the store."""

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
    """The cursor was not issued by this list."""

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
    """Base of authentication errors; `username` is for the audit, never shown."""

    status = 401
    type = "authentication_failed"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, details: str | None = None, *, username: str | None = None) -> None:
        super().__init__(details)
        self.username = username


class NotAuthenticated(AuthenticationFailed):
    """The request has no credentials."""

    type = "not_authenticated"


class InvalidCredentials(AuthenticationFailed):
    """Name and password do not match, or the account is disabled."""

    type = "invalid_credentials"


class InvalidToken(AuthenticationFailed):
    """The token is forged, malformed, revoked or not meant for this server."""

    type = "invalid_token"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class TokenExpired(InvalidToken):
    """The token has expired."""

    type = "token_expired"


class TokenReused(InvalidToken):
    """A rotated refresh token was presented again: it was stolen, so its session is revoked."""

    type = "token_reused"


class Forbidden(ApiError):
    """The caller is authenticated but lacks the scope that the route requires."""

    status = 403
    type = "forbidden"


class NotFound(ApiError):
    """There is no resource at this path."""

    status = 404
    type = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405
    type = "method_not_allowed"


class Conflict(ApiError):
    """The request contradicts the present state."""

    status = 409
    type = "conflict"


class BodyTooLarge(ApiError):
    """The body is larger than the server accepts."""

    status = 413
    type = "body_too_large"


class UnsupportedMediaType(ApiError):
    """The body is not JSON."""

    status = 415
    type = "unsupported_media_type"


class UpgradeRequired(ApiError):
    """The path is a WebSocket endpoint, and the request is no WebSocket handshake."""

    status = 426
    type = "upgrade_required"
    headers: ClassVar[Mapping[str, str]] = {"Upgrade": "websocket", "Connection": "Upgrade"}


class RateLimited(ApiError):
    """Too many requests of this class."""

    status = 429
    type = "rate_limited"


class RateLimitsAway(ApiError):
    """The rate limit storage is unavailable, and this request must not go uncounted."""

    status = 503
    type = "rate_limits_away"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class TooManyStreams(ApiError):
    """The user has reached the limit of open streams."""

    status = 429
    type = "too_many_streams"


class StreamsFull(ApiError):
    """The server has reached the limit of open streams or unused tickets."""

    status = 503
    type = "streams_full"


class InternalError(ApiError):
    """An unexpected exception; the log has it under the request id, the response does not."""


class EventsGone(ApiError):
    """The events after this id are no longer stored, or the id never existed."""

    status = 410
    type = "events_gone"


class StoreUnavailable(ApiError):
    """The database is locked, full or unavailable: nothing was written."""

    status = 503
    type = "store_unavailable"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class HashingUnavailable(ApiError):
    """The machine has no memory to check or hash a password; it may be right."""

    status = 503
    type = "hashing_unavailable"

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
    """Stored keys cannot be decrypted with the encryption keys of the settings."""

    status = 409
    type = "credentials_unreadable"


class EncryptionKeyMissing(CredentialsUnreadable):
    """There is no encryption key, without which no keys are stored."""

    type = "encryption_key_missing"
