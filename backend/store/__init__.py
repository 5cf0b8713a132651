"""Persistence with SQLAlchemy: models, one module of queries for each table, the order journal.

The query functions take a session; `Database` opens it, off the requests' thread. The
order journal (`journal/`) has a writing connection of its own.
"""

from backend.store.database import Database
from backend.store.home_lock import HomeLock, HomeLocked
from backend.store.integrity import DatabaseDamaged, StoreError
from backend.store.journal import Journal

__all__ = ["Database", "DatabaseDamaged", "HomeLock", "HomeLocked", "Journal", "StoreError"]
