"""An exchange without a network: a simulated market and order desk behind ccxt's interface."""

from backend.bridge.sandbox.desk import Desk
from backend.bridge.sandbox.faults import Fault, Faults
from backend.bridge.sandbox.install import install
from backend.bridge.sandbox.market import Market

__all__ = ["Desk", "Fault", "Faults", "Market", "install"]
