"""Exchange connections: keys stored encrypted, tested, and handed to the bot."""

from backend.connections.sealing import Sealer
from backend.connections.service import ExchangeConnections, stored_keys

__all__ = ["ExchangeConnections", "Sealer", "stored_keys"]
