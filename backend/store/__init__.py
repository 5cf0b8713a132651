"""What outlives a restart: typed models, small repositories, and the one way to reach them."""

from backend.store.database import Database, StoreError

__all__ = ["Database", "StoreError"]
