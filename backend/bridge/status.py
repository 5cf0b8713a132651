"""The bot's state as clients see it, and the error of a boot that failed."""

from __future__ import annotations

from typing import NamedTuple

from backend.schemas.bot import BotState


class Status(NamedTuple):
    """The bot's state and, when something is wrong, why."""

    state: BotState
    reason: str | None = None


class BootFailed(Exception):
    """The bot did not become ready; the text may be shown to users."""
