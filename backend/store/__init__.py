"""What outlives a restart: typed models, small repositories, and the one way to reach them."""

from backend.store.database import Database, StoreError
from backend.store.journal import Journal

__all__ = ["Database", "Journal", "StoreError"]
