"""Models of the bot's state and the server's health."""

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
    warnings: list[str] = Field(
        description="What is wrong although the bot runs, such as a balance below zero."
    )
    versions: Versions


class Entrances(Model):
    """Where everything is on this server; versions are in `GET /bot`, for who is logged in."""

    name: Literal["octobot-backend"] = "octobot-backend"
    api: str = Field(examples=["/api/v1"])
    contract: str = Field(description="The OpenAPI document.", examples=["/openapi.json"])
    docs: str | None = Field(description="None in production.", examples=["/docs"])
    health: str = Field(examples=["/healthz"])
    readiness: str = Field(examples=["/readyz"])


class Health(Model):
    """The process is up."""

    status: Literal["ok"] = "ok"


class Readiness(Model):
    """Whether the bot and its exchanges can be used, and if not, what is missing."""

    ready: bool
    bot: BotState
    missing: list[str]
