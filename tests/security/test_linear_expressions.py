"""No expression of the backend takes longer than its text grows, and no text of clients is long."""

from __future__ import annotations

import re

import pytest

from backend.observability.masking import mask_text
from scripts.check_expressions import complaints
from tests.security.expressions import Expression, expressions, slow_text

ALL = list(expressions())


@pytest.mark.parametrize("expression", ALL, ids=[found.where for found in ALL])
def test_each_expression_is_linear(expression: Expression) -> None:
    assert slow_text(expression) is None


def test_the_expressions_are_found() -> None:
    modules = {found.where.partition(":")[0] for found in ALL}
    assert len(ALL) > 40
    assert {
        "backend.observability.masking",
        "backend.schemas.orders",
        "backend.middleware.proxies",
    } <= modules


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"^(a+)+$", "search"),
        (r"^(a|a)*$", "fullmatch"),
        (r"\s+$", "search"),
        (r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*", "sub"),
        (r"(.*?)(?:\s*,\s*|$)", "match"),
        (r"x[^y]*y", "search"),
    ],
)
def test_a_slow_expression_is_told(pattern: str, method: str) -> None:
    slow = Expression("here", re.compile(pattern), frozenset({method}))
    assert slow_text(slow) is not None


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"\s*\s*\s*x", rb"(\w+-?)*!"])
def test_the_linter_names_what_repeats_itself_too_often(pattern: str | bytes) -> None:
    slow = Expression("here", re.compile(pattern), frozenset({"search"}))
    assert next(complaints(slow)).startswith("here: ")


def test_the_linter_finds_nothing_in_the_backend() -> None:
    assert [line for each in ALL for line in complaints(each)] == []


@pytest.mark.parametrize("text", ["-eyJ", "eyJaaaaa.", "password ", "://a:", "token: bearer "])
def test_masking_looks_at_no_more_than_it_keeps(text: str) -> None:
    assert len(mask_text(text * 100_000, 300)) <= 301


def test_a_secret_that_the_cut_splits_is_masked() -> None:
    token = "eyJ" + "a" * 100 + "." + "b" * 100 + "." + "c" * 43
    shown = mask_text("x " * 140 + token, 300)
    assert shown == "x " * 140 + "********"
