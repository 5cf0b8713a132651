"""Authentication and authorization: users, passwords, tokens, API keys, roles."""

from backend.identity.principal import Principal
from backend.identity.service import Identity

__all__ = ["Identity", "Principal"]
