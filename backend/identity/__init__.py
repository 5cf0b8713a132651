"""Who is calling and what they may do: passwords, tokens, roles."""

from backend.identity.principal import Principal
from backend.identity.service import Identity

__all__ = ["Identity", "Principal"]
