"""The only package that imports OctoBot and ccxt: everything else sees `Bridge`."""

import backend.arithmetic  # before OctoBot starts its threads
import backend.bridge.quiet  # noqa: F401 - before OctoBot reads the environment
from backend.bridge.bridge import Bridge
from backend.bridge.known_exchanges import require_known_exchanges
from backend.bridge.lock import HomeLock, HomeLocked

__all__ = ["Bridge", "HomeLock", "HomeLocked", "require_known_exchanges"]
