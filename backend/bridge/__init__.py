"""Adapter of the embedded OctoBot: the only package that imports it; the API sees `Bridge`."""

import backend.accounting.decimals  # before OctoBot starts its threads
import backend.bridge.octobot.offline  # noqa: F401 - before OctoBot reads the environment
from backend.bridge.bridge import Bridge
from backend.bridge.octobot.known_exchanges import require_known_exchanges

__all__ = ["Bridge", "require_known_exchanges"]
