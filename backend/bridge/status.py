"""Public state of the bot, and the error of a failed boot."""

from __future__ import annotations

from typing import NamedTuple

from backend.schemas.bot import BotState


class Status(NamedTuple):
    """State of the bot, and its reason if there is one."""

    state: BotState
    reason: str | None = None


class BootFailed(Exception):
    """The bot cannot become ready; the text may be shown to users."""
