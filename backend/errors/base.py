"""What every error is: a fact with a status, a type and words for the client."""

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
