"""Decimal arithmetic without rounding: the default 28 digits are too few for sums of money.

Importing this sets the precision of every thread that starts later, and of this one.
"""

from __future__ import annotations

import decimal

DIGITS = 60  # a product of two 30-digit amounts is exact

decimal.DefaultContext.prec = DIGITS
decimal.setcontext(decimal.DefaultContext.copy())
