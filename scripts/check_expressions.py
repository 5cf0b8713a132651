"""Linter of regular expressions: names those of `backend/` on which a text can take too long.

It uses regexploit, which looks at the expression; `tests/security/test_linear_expressions.py`
measures. Both look at the same expressions. Exit code 1 when there is one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

with warnings.catch_warnings():  # it imports a module by its name until Python 3.11
    warnings.simplefilter("ignore", DeprecationWarning)
    from regexploit.ast.sre import SreOpParser
    from regexploit.redos import find

from tests.security.expressions import Expression, expressions

LINEAR = 2
"""The most repetitions, one after the other, that can share a text: two give a square at worst."""


def complaints(expression: Expression) -> Iterator[str]:
    """Yield what repeats itself in an expression, more often than `LINEAR`."""
    pattern = expression.compiled.pattern
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    parsed = SreOpParser().parse_sre(text, expression.compiled.flags)
    for redos in find(parsed):
        if redos.starriness > LINEAR:
            yield f"{expression.where}: {redos.example()!r} makes {text!r} slow"


def main() -> int:
    """Print each complaint."""
    found = [line for each in expressions() for line in complaints(each)]
    print("\n".join(found) or "all expressions are fast")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
