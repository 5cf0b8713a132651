"""Exchange connections: keys stored encrypted, tested, and handed to the bot."""

from backend.credentials.service import ExchangeConnections, stored_keys
from backend.store.encryption import Cipher

__all__ = ["Cipher", "ExchangeConnections", "stored_keys"]
