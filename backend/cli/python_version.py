"""Warning about Python versions whose OctoBot pins libraries with known security holes."""

from __future__ import annotations

import sys

OLDEST_RECOMMENDED = (3, 12)
WARNING = (
    "OctoBot 2.0.15, the last for this Python, keeps versions of certifi, urllib3 and aiohttp with "
    "known holes; Python 3.12 and 3.13 have a newer one"
)


def is_outdated() -> bool:
    """Return whether the interpreter is older than recommended."""
    return sys.version_info[:2] < OLDEST_RECOMMENDED
