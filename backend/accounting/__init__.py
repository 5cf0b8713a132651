"""Exact trading arithmetic on plain data: balances, profit and loss, margin, drawdown, limits."""
