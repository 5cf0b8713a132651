"""The strict reader: no doubled keys, no numbers that are none, bounds of depth and count."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.errors import MalformedRequest
from backend.openapi.json_body import MAX_DEPTH, MAX_VALUES, Json, read_json

NAMES = some.sampled_from(["a", "b", "a:", ":", "", "é", 'a"b', "\\"])
VALUES: some.SearchStrategy[Json] = some.recursive(
    some.none() | some.booleans() | some.integers(-9, 9) | some.text('a:\\,"[é', max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b'{"side": "buy", "side": "sell"}', "side"),
        (b'{"side": "buy", "side": "buy"}', "side"),
        (b'{"side": "buy", "s\\u0069de": "sell"}', "side"),
        (b'{"at": "10:00", "side": 1, "side": 2}', "side"),
        (b'{"at": "\\u003a\\u003a", "side": 1, "side": 2}', "side"),
        (b'{"side": ":", "side": "\\u003a"}', "side"),
        (b'{"orders": [{"a": 1}, {"a": {"b": 1, "b": 1}}]}', "b"),
        (b'{"": 1, "": 1}', ""),
        (b'{"a": {"x": 1}, "a": {"y": 1}}', "a"),
        (b'{"' + b"x" * 200 + b'":1,"' + b"x" * 200 + b'":1}', "x" * 100 + "…"),
    ],
)
def test_a_key_that_is_given_twice_is_named(text: bytes, key: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read_json(text)
    assert [tuple(field) for field in refused.value.fields] == [(key, "is given more than once")]
    assert refused.value.details == f"the key {key} is given more than once"


@given(VALUES, some.booleans(), NAMES, VALUES)
def test_what_is_json_is_read_and_a_doubled_key_is_seen(
    value: Json, escapes: bool, name: str, other: Json
) -> None:
    text = json.dumps(value, ensure_ascii=escapes)
    assert read_json(text.encode()) == value
    key = json.dumps(name, ensure_ascii=escapes)
    doubled = f"[{text}, {{{key}: {json.dumps(other)}, {key}: {text}}}]"
    with pytest.raises(MalformedRequest, match="more than once"):
        read_json(doubled.encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": 01}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\\ud800"}',
        '{"a": ١}'.encode(),
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedRequest, match="is not JSON"):
        read_json(text)


@pytest.mark.parametrize("key", [b'"a":', b""])
def test_depth_and_count_are_bounded(key: bytes) -> None:
    opened, closed = (b"{" + key, b"}") if key else (b"[", b"]")
    read_json(opened * MAX_DEPTH + b"1" + closed * MAX_DEPTH)
    with pytest.raises(MalformedRequest, match="deeper than 32 levels"):
        read_json(opened * (MAX_DEPTH + 1) + b"1" + closed * (MAX_DEPTH + 1))
    items = [key.replace(b"a", b"%d" % number) + b"1" for number in range(MAX_VALUES)]
    read_json(opened[:1] + b",".join(items[:-1]) + closed)
    with pytest.raises(MalformedRequest, match="more than 10000 values"):
        read_json(opened[:1] + b",".join(items) + closed)
