"""The only package that imports OctoBot and ccxt: everything else sees `Bridge`."""

import backend.arithmetic  # noqa: F401 - before OctoBot starts its threads
from backend.bridge.bridge import Bridge
from backend.bridge.lock import HomeLock, HomeLocked

__all__ = ["Bridge", "HomeLock", "HomeLocked"]
