"""Persistence with SQLAlchemy: models, one module of queries for each table, the order journal.

The query functions take a session; `Database` opens it, off the requests' thread. The
order journal (`journal/`) has a writing connection of its own.
"""

from backend.store.database import Database, StoreError
from backend.store.journal import Journal

__all__ = ["Database", "Journal", "StoreError"]
