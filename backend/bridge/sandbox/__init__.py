"""An exchange without a network: a simulated market behind ccxt's own interface."""

from backend.bridge.sandbox.install import install
from backend.bridge.sandbox.market import Market

__all__ = ["Market", "install"]
