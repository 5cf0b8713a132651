"""The bot's state and the server's health."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.schemas.common import Model, UtcTime

BotState = Literal["starting", "running", "paused", "stopping", "stopped", "failed"]


class ExchangeReadiness(Model):
    """Whether one exchange is connected and loaded."""

    exchange: str
    ready: bool


class Versions(Model):
    """What runs here."""

    backend: str
    octobot: str
    python: str


class Bot(Model):
    """The bot as it stands."""

    state: BotState
    reason: str | None
    trading: Literal["paper", "real"]
    started_at: UtcTime | None
    exchanges: list[ExchangeReadiness]
    loop_lag_ms: int = Field(
        description="How late the bot's own work was at worst in the last seconds; with 0 to 10 it"
        " is not held up."
    )
    versions: Versions


class Health(Model):
    """The process is up."""

    status: Literal["ok"] = "ok"


class Readiness(Model):
    """Whether the bot and its exchanges can be used, and if not, what is missing."""

    ready: bool
    bot: BotState
    missing: list[str]
