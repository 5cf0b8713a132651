"""Reports: profit and loss, portfolio history, CSV export of trades, risk limits."""

from backend.reports.service import Reports

__all__ = ["Reports"]
