"""Decimal contexts: exact sums and products, and explicit rounding of quotients.

Importing this module sets the decimal precision of the present thread and of those that
start later: the default 28 digits are too few for sums of money.
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
"""The context of all accounting: with 300 digits sums and products of amounts are exact.

Python's own context rounds to 28 digits, which a large total of small parts exceeds.
"""

_QUOTIENT_STEP = Decimal("1E-80")
_RESPONSE_STEP = Decimal("1E-18")


def proportional_part(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return `amount * part / whole`, exactly where 80 decimals can hold it.

    The rest of the amount is `amount - proportional_part(...)`: nothing is lost in
    either case.
    """
    if part == whole:
        return amount
    quotient = EXACT.divide(EXACT.multiply(amount, part), whole)
    return quotient.quantize(_QUOTIENT_STEP, context=EXACT).normalize(EXACT)


def round_for_response(amount: Decimal) -> Decimal:
    """Round to 18 decimals, the most that responses have."""
    return amount.quantize(_RESPONSE_STEP, rounding=ROUND_HALF_EVEN, context=EXACT)
