"""Base class of API errors: status, type, details and headers of the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class FieldError(NamedTuple):
    """A rejected field of a request: its dotted name and the expected value."""

    field: str
    message: str


class ApiError(Exception):
    """Base of all errors that become a problem response.

    `details` is shown to the client: it never contains a secret or another
    exception's text.
    """

    status = 500
    type = "internal_error"
    headers: ClassVar[Mapping[str, str]] = {}
    extensions: Mapping[str, object] = {}
    """Further members of the response."""

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
        """The short human-readable summary, the same for every occurrence."""
        return self.type.replace("_", " ").capitalize()


class BridgeError(ApiError):
    """Base of errors of the bot or an exchange."""

    status = 502
    type = "exchange_error"
