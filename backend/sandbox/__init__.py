"""Sandbox exchange: a simulated market and matching engine behind ccxt's interface."""

from backend.sandbox.ccxt_api.description import SANDBOX
from backend.sandbox.ccxt_api.registration import install
from backend.sandbox.control import SANDBOX_KEY, SandboxControl
from backend.sandbox.market.market import Market
from backend.sandbox.matching.engine import MatchingEngine
from backend.sandbox.matching.faults import Fault, Faults

__all__ = [
    "SANDBOX",
    "SANDBOX_KEY",
    "Fault",
    "Faults",
    "Market",
    "MatchingEngine",
    "SandboxControl",
    "install",
]
