"""Column types with the same semantics on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from backend.schemas.common import decimal_text


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetime, stored in UTC to the microsecond.

    SQLite has no zones: there the column holds the naive UTC time, whose text
    sorts as the times do. A naive time is refused on the way in.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert an aware datetime to the column's value."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert the column's value to an aware UTC datetime."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return value.replace(tzinfo=timezone.utc)
        return value.astimezone(timezone.utc)


class ExactDecimal(TypeDecorator[Decimal]):
    """Decimal of any length, stored digit for digit as text: SQLite's numbers are floats.

    SQL can neither add nor compare such values.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Convert a decimal to text without exponent."""
        if value is None:
            return None
        if not value.is_finite():
            raise ValueError("a stored amount must be finite")
        return decimal_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Convert text to a decimal."""
        return None if value is None else Decimal(value)


class UntrustedText(TypeDecorator[str]):
    """Text chosen by a client: unprintable characters become `?`, and it is truncated.

    PostgreSQL refuses NUL characters and long texts, and an audit entry must not be lost to one.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Convert a text to the column's value."""
        return self.clean(value)

    def clean(self, value: str | None) -> str | None:
        """Return a text as it will be read back."""
        if value is None:
            return None
        cut = value[: self.length]
        if cut.isprintable():
            return cut
        return "".join(character if character.isprintable() else "?" for character in cut)
