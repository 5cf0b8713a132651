"""The order journal: what the bridge writes before and after it acts, in the database."""

from backend.store.journal.journal import Journal

__all__ = ["Journal"]
