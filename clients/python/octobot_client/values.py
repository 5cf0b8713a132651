"""How values are spelled for the server: money as decimal text, times in RFC 3339."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

Number = Decimal | int | str


def text_of(value: object) -> str:
    """Spell a value for a query. Raises ValueError for a time without an offset."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs its offset: datetime.now(timezone.utc)")
        return value.isoformat()
    return str(value)


def money(value: Number) -> str:
    """Spell an amount. Raises TypeError for a float, which is not what was written."""
    if isinstance(value, float | bool):
        raise TypeError("amounts are Decimal, int or str: a float is rounded already")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def cleaned(values: Mapping[str, object]) -> dict[str, str]:
    """Spell those values that are not None."""
    return {name: text_of(value) for name, value in values.items() if value is not None}


def path_symbol(symbol: str) -> str:
    """Spell a symbol in a path."""
    return quote(symbol.replace("/", "-", 1), safe=":")


def path_id(text: str) -> str:
    """Spell an id in a path. Raises ValueError for an empty one, which would mean the list."""
    if not text:
        raise ValueError("an id is empty")
    return quote(text, safe="")
