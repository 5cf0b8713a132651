"""Exchange connections: keys stored encrypted, tested, and handed to the bot."""

from backend.credentials.service import ExchangeConnections, stored_keys
from backend.store.encryption import Sealer

__all__ = ["ExchangeConnections", "Sealer", "stored_keys"]
