"""Regular expressions of `backend/`, found in its source, and texts that make bad ones slow."""

from __future__ import annotations

import ast
import importlib
import re
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

with warnings.catch_warnings():  # its name until Python 3.11
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_parse

BACKEND = Path(__file__).parents[2] / "backend"
LONGEST = 16 * 1024
_METHODS = {"match", "search", "sub", "subn", "fullmatch", "split", "findall", "finditer"}
_SHORT = (*range(12, 34, 2), 48, 64, 100)
_SHORT_MAX_S = 0.02
_SURELY_LINEAR_S = 0.01
_WIDER = 16
_WIDER_MAX = 4 * _WIDER
_MOST_PUMPS = 150


class Expression(NamedTuple):
    """An expression in the source: where it stands, and the methods that it is used with."""

    where: str
    compiled: re.Pattern[Any]
    methods: frozenset[str]


def expressions() -> Iterator[Expression]:
    """Yield every expression that is compiled, matched or handed to pydantic as `pattern`."""
    for file in sorted(BACKEND.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if not any(map(_pattern_node, calls)) or "migrations" in file.parts:
            continue
        name = ".".join(file.relative_to(BACKEND.parent).with_suffix("").parts)
        namespace = vars(importlib.import_module(name))
        for call in calls:
            node = _pattern_node(call)
            if node is not None:
                yield _expression(f"{name}:{call.lineno}", call, node, tree, namespace)


def _pattern_node(call: ast.Call) -> ast.expr | None:
    if _is_of_re(call.func) and call.args:
        return call.args[0]
    return next((keyword.value for keyword in call.keywords if keyword.arg == "pattern"), None)


def _is_of_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
        and function.attr in {"compile", *_METHODS}
    )


def _expression(
    where: str, call: ast.Call, node: ast.expr, tree: ast.Module, namespace: dict[str, Any]
) -> Expression:
    pattern = _value(node, namespace)
    if not _is_of_re(call.func):
        return Expression(where, re.compile(pattern), frozenset({"search"}))
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "compile":
        return Expression(where, re.compile(pattern), frozenset({call.func.attr}))
    flags = [*call.args[1:], *(word.value for word in call.keywords if word.arg == "flags")]
    compiled = re.compile(pattern, _value(flags[0], namespace) if flags else 0)
    return Expression(where, compiled, frozenset(_methods_of(compiled, tree, namespace)))


def _value(node: ast.expr, namespace: dict[str, Any]) -> Any:
    code = compile(ast.Expression(node), "<expression>", "eval")
    return eval(code, namespace)


def _methods_of(
    compiled: re.Pattern[Any], tree: ast.Module, namespace: dict[str, Any]
) -> Iterator[str]:
    """Yield the methods that its module calls; all that matter when it calls none by name."""
    names = {name for name, value in namespace.items() if value is compiled}
    found = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        and node.attr in _METHODS
    ]
    yield from found or ("search", "finditer", "fullmatch")


def slow_text(expression: Expression) -> str | None:
    """Return the beginning of a text on which the work grows faster than the text; or None."""
    is_bytes = isinstance(expression.compiled.pattern, bytes)
    for pump, end in _texts(expression.compiled):
        for method in expression.methods:
            call = _call(expression.compiled, method)
            if _grows_above_linear(lambda size: _text(pump, end, size, is_bytes), call):  # noqa: B023
                return f"{method} of {pump!r} repeated, then {end!r}"
    return None


def _call(compiled: re.Pattern[Any], method: str) -> Callable[[Any], object]:
    if method in {"sub", "subn"}:
        return lambda text: getattr(compiled, method)(type(text)(), text)
    if method == "finditer":
        return lambda text: sum(1 for _ in compiled.finditer(text))
    called: Callable[[Any], object] = getattr(compiled, method)
    return called


def _text(pump: str, end: str, size: int, is_bytes: bool) -> str | bytes:
    text = pump * (size // len(pump) + 1) + end
    return text.encode("latin-1", "replace") if is_bytes else text


def _grows_above_linear(make: Callable[[int], str | bytes], call: Callable[[Any], object]) -> bool:
    """Measure CPU time, of which other processes take nothing; small steps before large ones."""
    for size in _SHORT:
        if _cpu_s(call, make(size)) > _SHORT_MAX_S and _least_s(call, make(size)) > _SHORT_MAX_S:
            return True
    for size in (1024, 4096, LONGEST):
        text = make(size)
        if _cpu_s(call, text) < _SURELY_LINEAR_S:
            continue
        if _least_s(call, text) > _WIDER_MAX * max(_least_s(call, make(size // _WIDER)), 1e-6):
            return True
    return False


def _least_s(call: Callable[[Any], object], text: str | bytes) -> float:
    return min(_cpu_s(call, text) for _ in range(3))


def _cpu_s(call: Callable[[Any], object], text: str | bytes) -> float:
    started = time.thread_time()
    call(text)
    return time.thread_time() - started


def _texts(compiled: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """Yield what to repeat and what to end with, of the expression's own alphabet."""
    pattern = compiled.pattern
    tree = sre_parse.parse(
        pattern, compiled.flags & ~re.UNICODE if isinstance(pattern, bytes) else compiled.flags
    )
    samples = dict.fromkeys(_samples(tree))
    pumps: dict[str, None] = {}
    for sample in samples:
        starts = [sample[:end] for end in (*range(1, min(len(sample), 12)), len(sample))]
        pumps.update(dict.fromkeys(start for start in starts))
        pumps.update(dict.fromkeys(f"-{start}" for start in starts))
        pumps.update(dict.fromkeys((sample + " ", " " + sample)))
    pumps.update(dict.fromkeys(("a", " ", "0", "-", ".", "\t", "a.", "a ", "a,", "/", "%")))
    for pump in filter(None, list(pumps)[:_MOST_PUMPS]):
        yield pump, ""
        yield pump, "\x00"


def _samples(tree: Any) -> Iterator[str]:
    """Yield texts that the expression matches: few and many repetitions, each branch."""
    for times in (0, 1, 6):
        for branch in range(_branches(tree)):
            yield _sample(tree, times, branch)


def _branches(tree: Any) -> int:
    return min(16, max([1, *(len(item[1]) for item in _walk(tree, "BRANCH"))]))


def _walk(tree: Any, name: str) -> Iterator[Any]:
    for op, argument in tree:
        if str(op) == name:
            yield argument
        for part in argument if isinstance(argument, tuple | list) else ():
            for child in part if isinstance(part, list) else (part,):
                if isinstance(child, sre_parse.SubPattern):
                    yield from _walk(child, name)


def _sample(tree: Any, times: int, branch: int) -> str:
    return "".join(_sample_one(str(op), argument, times, branch) for op, argument in tree)


def _sample_one(op: str, argument: Any, times: int, branch: int) -> str:
    if op == "LITERAL":
        return chr(argument)
    if op == "IN":
        return _member(argument)
    if op == "ANY" or op == "NOT_LITERAL":
        return "a"
    if op == "BRANCH":
        chosen = argument[1]
        return _sample(chosen[branch % len(chosen)], times, branch)
    if op == "SUBPATTERN":
        return _sample(argument[-1], times, branch)
    if op in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        least, most, repeated = argument
        count = min(max(int(least), times), int(most))
        return _sample(repeated, times, branch) * count
    if op == "ATOMIC_GROUP":
        return _sample(argument, times, branch)
    return ""  # places, and what is only looked at


def _member(choices: Any) -> str:
    for op, argument in choices:
        if str(op) == "LITERAL":
            return chr(argument)
        if str(op) == "RANGE":
            return chr(argument[0])
        if str(op) == "CATEGORY":
            return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(argument), "a")
    return "b"


def worst_text(size: int) -> str:
    """Return the printable text of about `size` characters on which an expression works longest."""
    found = (
        (_cpu_s(_call(each.compiled, method), _text(pump, "", size, is_bytes)), pump)
        for each in expressions()
        for is_bytes in [isinstance(each.compiled.pattern, bytes)]
        for pump, end in _texts(each.compiled)
        if not end and pump.isascii() and pump.isprintable()
        for method in each.methods
    )
    pump = max(found)[1]
    return pump * (size // len(pump))
