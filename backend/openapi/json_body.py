"""Strict JSON reader of all request bodies, of HTTP and of the WebSocket.

orjson refuses what is not JSON (NaN, Infinity, broken UTF-8), but of a key that is given twice it
takes the last. Each key has a colon: a text with no more colons than its value has keys and its
strings have colons gives none twice. Only other texts are read again, by `json`, which hands out
all pairs. An order's body takes 0.7 µs (orjson alone 0.5; `json` with pairs 4.0), with colons in
its strings 3.5, with escapes as well 12.
"""

from __future__ import annotations

import json
from typing import TypeAlias

import orjson

from backend.errors import FieldError, MalformedRequest

MAX_DEPTH = 32
MAX_VALUES = 10_000
LONGEST_NAME_SHOWN = 100

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def read_json(text: bytes) -> Json:
    """Return the value of a JSON text.

    Raises `MalformedRequest` for what is no JSON, gives a key twice, is nested deeper than
    `MAX_DEPTH` or has more than `MAX_VALUES` values.
    """
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"the body is not JSON: {error.msg}") from None
    colons = text.count(b":")
    if not _is_flat(value, text, colons):
        keys, in_strings = _count(value)
        if colons > keys and (b"\\" in text or colons > keys + in_strings):
            _require_unique_keys(text)
    return value


def shown_name(name: str) -> str:
    """Return a field's name as errors show it: cut when it is long."""
    return name if len(name) <= LONGEST_NAME_SHOWN else name[:LONGEST_NAME_SHOWN] + "…"


def _is_flat(value: Json, text: bytes, colons: int) -> bool:
    """Return whether a value is one object within the bounds, with no colons but its keys'."""
    return (
        isinstance(value, dict)
        and colons == len(value)
        and len(text) <= MAX_VALUES
        and text.count(b"[") < MAX_DEPTH
    )


def _count(value: Json) -> tuple[int, int]:
    """Return how many keys a value has, and how many colons its strings; check its bounds."""
    keys = colons = values = depth = 0
    level: list[Json] = [value]
    while level:
        if depth > MAX_DEPTH:
            raise MalformedRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
        values += len(level)
        if values > MAX_VALUES:
            raise MalformedRequest(f"the body has more than {MAX_VALUES} values")
        inner: list[Json] = []
        for item in level:
            if isinstance(item, str):
                colons += item.count(":")
            elif isinstance(item, dict):
                keys += len(item)
                colons += sum(name.count(":") for name in item)
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level, depth = inner, depth + 1
    return keys, colons


def _require_unique_keys(text: bytes) -> None:
    # numbers have been read once already, and `int` takes none of more than 4300 digits
    json.loads(text, object_pairs_hook=_unique, parse_int=_no_number, parse_float=_no_number)


def _unique(pairs: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            shown = shown_name(name)
            raise MalformedRequest(
                f"the key {shown} is given more than once",
                fields=[FieldError(shown, "is given more than once")],
            )
        names.add(name)


def _no_number(_text: str) -> None:
    """Leave a number unread."""
