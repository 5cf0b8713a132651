"""The only package that imports OctoBot and ccxt: everything else sees `Bridge`."""

from backend.bridge.bridge import Bridge
from backend.bridge.lock import HomeLocked

__all__ = ["Bridge", "HomeLocked"]
