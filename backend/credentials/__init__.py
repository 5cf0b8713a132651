"""Exchange credentials: API keys stored encrypted, tested, and supplied to the bot."""

from backend.credentials.service import CredentialsService, stored_keys
from backend.store.encryption import Cipher

__all__ = ["Cipher", "CredentialsService", "stored_keys"]
