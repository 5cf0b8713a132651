"""Errors of the bot: not ready, too busy, paused, or too slow."""

from __future__ import annotations

from backend.errors.base import BridgeError


class TradingPaused(BridgeError):
    """The bot is paused: no new orders until it is resumed."""

    status = 409
    type = "trading_paused"


class BotNotReady(BridgeError):
    """The bot is starting, stopped or failed: there is nothing to read or command."""

    status = 503
    type = "bot_not_ready"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 2) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class BotBusy(BridgeError):
    """The bot's work queue is full; the request was not started."""

    status = 503
    type = "bot_busy"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class BotStrained(BridgeError):
    """The bot is overloaded, and this caller sends the most reads: they are shed."""

    status = 503
    type = "bot_strained"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class JournalDown(BridgeError):
    """The order journal is unavailable, so no order is sent."""

    status = 503
    type = "journal_unavailable"

    def __init__(self, details: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(details, retry_after_s=retry_after_s)


class BotTimeout(BridgeError):
    """The bot did not respond in time."""

    status = 504
    type = "bot_timeout"
