"""Decimal arithmetic that never rounds silently, and the few places where a quotient must.

Importing this sets the decimal precision of every thread that starts later, and of this one: the
default 28 digits are too few for sums of money.
"""

from __future__ import annotations

import decimal
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

DIGITS = 60  # a product of two 30-digit amounts is exact

decimal.DefaultContext.prec = DIGITS
decimal.setcontext(decimal.DefaultContext.copy())

ZERO = Decimal(0)
ONE = Decimal(1)

EXACT = Context(prec=300, traps=[InvalidOperation, DivisionByZero, Overflow])
"""The context of all accounting: with 300 digits sums and products of amounts come out whole.

Python's own context rounds to 28 digits, which a large total of small parts exceeds.
"""

_FINEST = Decimal("1E-80")
_SHOWN = Decimal("1E-18")


def part_of(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return `amount * part / whole`, exactly where 80 decimals can hold it.

    What is left of the amount is `amount - part_of(...)`: nothing gets lost
    in either case.
    """
    if part == whole:
        return amount
    share = EXACT.divide(EXACT.multiply(amount, part), whole)
    return share.quantize(_FINEST, context=EXACT).normalize(EXACT)


def shown(amount: Decimal) -> Decimal:
    """Round to the 18 decimals that answers have at most."""
    return amount.quantize(_SHOWN, rounding=ROUND_HALF_EVEN, context=EXACT)
