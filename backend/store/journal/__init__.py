"""Order journal: durable intents, orders, trades, positions and events in the database."""

from backend.store.journal.journal import Journal

__all__ = ["Journal"]
