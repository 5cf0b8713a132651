"""Exchange connections: keys stored encrypted, tested, and handed to the bot."""

from backend.connections.sealing import Sealer
from backend.connections.service import Connections, stored_keys

__all__ = ["Connections", "Sealer", "stored_keys"]
