"""Why a bot cannot come up."""

from __future__ import annotations


class BootFailed(Exception):
    """The bot did not become ready; the text may be shown to users."""
