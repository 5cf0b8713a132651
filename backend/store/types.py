"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from backend.schemas.common import decimal_text


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC to the microsecond.

    SQLite has no zones: there the column holds the naive UTC time, whose text
    sorts as the times do. A naive time is refused on the way in.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into what the database keeps."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn what the database keeps into an aware UTC time."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return value.replace(tzinfo=timezone.utc)
        return value.astimezone(timezone.utc)


class ExactDecimal(TypeDecorator[Decimal]):
    """An amount of any length, kept digit for digit as text: SQLite's numbers are floats.

    SQL can neither add nor compare such amounts.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Write an amount out in full."""
        if value is None:
            return None
        if not value.is_finite():
            raise ValueError("a stored amount must be finite")
        return decimal_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read an amount."""
        return None if value is None else Decimal(value)


class OutsideText(TypeDecorator[str]):
    """A text that a client chose: what cannot be printed becomes `?`, what is too long is cut.

    PostgreSQL refuses NUL characters and long texts, and an entry must not be lost to one.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make a text fit to be kept."""
        return self.clean(value)

    def clean(self, value: str | None) -> str | None:
        """Return a text as it comes back once it was kept."""
        if value is None:
            return None
        cut = value[: self.length]
        if cut.isprintable():
            return cut
        return "".join(character if character.isprintable() else "?" for character in cut)
