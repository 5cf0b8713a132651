"""An exchange without a network: a simulated market and order desk behind ccxt's interface."""

from backend.sandbox.ccxt_api.registration import install
from backend.sandbox.market.market import Market
from backend.sandbox.matching.engine import MatchingEngine
from backend.sandbox.matching.faults import Fault, Faults

__all__ = ["Fault", "Faults", "Market", "MatchingEngine", "install"]
