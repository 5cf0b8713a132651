"""Types shared by all resources: money, time, symbols, envelopes, pages."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timezone
from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from backend.schemas.webauthn import SecondFactorChoice

T = TypeVar("T")

MAX_DIGITS = 30
MAX_DECIMALS = 18
MAX_PAGE = 500
DEFAULT_PAGE = 100

_TIME_WANTED = "an RFC 3339 time with its offset, such as 2026-01-20T10:00:00Z"
_LONGEST_SYMBOL = 60
_LONGEST_TIME = 64
# ASCII digits: `\d` and Decimal take those of every script, which no exchange does
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_TIME_START = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
_LONGEST_ASSET = 40
_SYMBOL_WANTED = "a symbol looks like BTC/USDT or BTC-USDT"
_ASCII_ASSET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9$._-]{0,59}")
_IN_ASSETS = frozenset("$._-")
_CAPITAL = re.compile(r"[A-Z]")
_EMPTY_SIDE = re.compile(r"^-|-$")
_TO_CAPITALS = {ord(letter): ord(letter.upper()) for letter in "abcdefghijklmnopqrstuvwxyz"}


def decimal_text(value: Decimal) -> str:
    """Write a decimal in plain notation, without exponent or trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def time_text(value: datetime) -> str:
    """Write an aware time as RFC 3339 UTC with milliseconds."""
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


def utc_now() -> datetime:
    """Return the present time, aware."""
    return datetime.now(timezone.utc)


def parse_symbol(text: str) -> str:
    """Return OctoBot's form of a symbol given as `BTC/USDT` or `BTC-USDT`.

    Without a slash, the last hyphen before the colon stands for it. A text without capital
    letters is read as capitals; any other is taken as it stands, as in `kPEPE/USDC:USDC`.

    Raises ValueError for any other form.
    """
    if len(text) > _LONGEST_SYMBOL:
        raise ValueError(_SYMBOL_WANTED)
    symbol = capitals_unless_mixed(text)
    pair, colon, settled = symbol.partition(":")
    if "/" not in pair and not _EMPTY_SIDE.search(pair):
        base, _, quote = pair.rpartition("-")
        pair = f"{base}/{quote}"
    parts = [*pair.split("/"), *([settled] if colon else [])]
    if len(parts) != 2 + bool(colon) or not all(map(_is_asset, parts)):
        raise ValueError(_SYMBOL_WANTED)
    return f"{pair}{colon}{settled}"


def capitals_unless_mixed(text: str) -> str:
    """Return a text without capital letters in capitals, and any other as it stands."""
    return text if _CAPITAL.search(text) else text.translate(_TO_CAPITALS)


def is_asset(text: str) -> bool:
    """Return whether a text can be an asset's name: letters and digits of any script, and `.$-_`.

    Without spaces, control and invisible characters, quotes and what separates symbols.
    """
    return len(text) <= _LONGEST_ASSET and _is_asset(text)


def _is_asset(text: str) -> bool:
    if _ASCII_ASSET.fullmatch(text):
        return True
    return (
        bool(text)
        and (text[0] == "$" or unicodedata.category(text[0])[0] in "LN")
        and all(char in _IN_ASSETS or unicodedata.category(char)[0] in "LNM" for char in text)
    )


def _decimal_in(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("a decimal number or a string holding one")
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError("a decimal number or a string holding one")
    # repr gives the shortest text that reads back as the same float: the client's own
    return Decimal(repr(value) if isinstance(value, float) else value)


_DECIMAL_SCHEMA = {"type": "string", "format": "decimal", "examples": ["0.015"]}
_DECIMAL_INPUT_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": f"^{_DECIMAL.pattern}$"},
        {"type": "number"},
    ],
    "examples": ["0.015"],
}

Money = Annotated[
    Decimal,
    PlainSerializer(decimal_text, return_type=str, when_used="json"),
    WithJsonSchema(_DECIMAL_SCHEMA, mode="serialization"),
    WithJsonSchema(_DECIMAL_SCHEMA, mode="validation"),
]
"""An amount in a response: a Decimal here, a decimal string in JSON."""

PositiveMoney = Annotated[
    Decimal,
    BeforeValidator(_decimal_in),
    Field(gt=0, max_digits=MAX_DIGITS, decimal_places=MAX_DECIMALS, allow_inf_nan=False),
    PlainSerializer(decimal_text, return_type=str, when_used="json"),
    WithJsonSchema(_DECIMAL_INPUT_SCHEMA),
]
"""An amount in a request: string or number, above zero, at most 30 digits and 18 decimals."""

UtcTime = Annotated[
    datetime,
    PlainSerializer(time_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-01-20T10:00:00.123Z"]}
    ),
]
"""An aware time; RFC 3339 UTC with milliseconds in JSON."""

Symbol = Annotated[
    str,
    AfterValidator(parse_symbol),
    WithJsonSchema({"type": "string", "maxLength": 60, "examples": ["BTC/USDT"]}),
]
"""A market's symbol: `BTC/USDT` or `BTC-USDT` in requests, `BTC/USDT` in responses.

Which symbols exist is the exchange's to say: here it is only well-formed.
"""


_TIME = TypeAdapter(datetime)


def _time_in(value: object) -> object:
    # pydantic would also accept bare numbers, as seconds since 1970
    if not isinstance(value, datetime) and not _looks_like_a_time(value):
        raise ValueError(_TIME_WANTED)
    try:
        # parsed here: a strictly validated body accepts no text as a time
        return _TIME.validate_python(value, strict=False)
    except ValidationError:
        raise ValueError(_TIME_WANTED) from None


def _looks_like_a_time(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= _LONGEST_TIME
        and _TIME_START.match(value) is not None
    )


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(_TIME_WANTED)
    try:
        return value.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999 in UTC") from None


AwareTime = Annotated[datetime, BeforeValidator(_time_in), AfterValidator(_aware)]
"""A time in a request: RFC 3339 with an offset, converted to UTC."""


class Model(BaseModel):
    """Base of the models in responses."""

    model_config = ConfigDict(frozen=True)


class RequestModel(BaseModel):
    """Base of the models in requests: an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Envelope(Model, Generic[T]):
    """A successful response."""

    success: Literal[True] = True
    data: T
    timestamp: UtcTime = Field(default_factory=utc_now)


class Pagination(Model):
    """Where a list stands: pass `next_cursor` as `cursor` for the following page."""

    limit: int
    next_cursor: str | None = None


class Page(Model, Generic[T]):
    """A successful response that holds a list."""

    success: Literal[True] = True
    data: list[T]
    pagination: Pagination
    timestamp: UtcTime = Field(default_factory=utc_now)


class PageQuery(RequestModel):
    """Query parameters of every list."""

    limit: int = Field(DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="Most items to return.")
    cursor: str | None = Field(
        None, max_length=200, description="The `next_cursor` of the page before."
    )


class ProblemField(Model):
    """One refused field."""

    field: str
    message: str


class Problem(Model):
    """Every error, of every layer."""

    success: Literal[False] = False
    error: str = Field(examples=["Invalid symbol"])
    code: int = Field(examples=[400])
    type: str = Field(examples=["invalid_symbol"])
    details: str | None = Field(None, examples=["BTC/USD is not traded on sandbox"])
    fields: list[ProblemField] | None = None
    second_factor: SecondFactorChoice | None = Field(
        None, description="With `second_factor_required`: what may go with the password."
    )
    request_id: str
    timestamp: UtcTime = Field(default_factory=utc_now)
