"""What the trades came to and what the portfolio was worth: from bridge and store to answers."""

from backend.reports.service import Reports

__all__ = ["Reports"]
