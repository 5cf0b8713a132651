"""Routes of the bot's state and control: start, stop, restart, pause, resume."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.ports.serialized import SerializedResponse
from backend.schemas.bot import Bot
from backend.schemas.common import Envelope, Problem
from backend.services import services

bot = Blueprint("bot", __name__, url_prefix="/bot")


@bot.get("")
@requires("bot:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[Bot], HTTP_304=None), tags=["bot"])
def get_bot() -> SerializedResponse:
    """Show the bot's state and what versions run."""
    return services().bridge.bot.read()


@bot.post("/start")
@requires("bot:write")
@limited("config")
@api.validate(resp=Response(HTTP_202=Envelope[Bot], HTTP_409=Problem), tags=["bot"])
def start_bot() -> tuple[Envelope[Bot], int]:
    """Start a stopped or failed bot; its state tells when it runs."""
    return Envelope(data=services().bridge.bot.start()), 202


@bot.post("/stop")
@requires("bot:write")
@limited("brake")
@api.validate(resp=Response(HTTP_200=Envelope[Bot], HTTP_409=Problem), tags=["bot"])
def stop_bot() -> Envelope[Bot]:
    """Stop the bot; the API and its streams stay up."""
    return Envelope(data=services().bridge.bot.stop())


@bot.post("/restart")
@requires("bot:write")
@limited("config")
@api.validate(resp=Response(HTTP_202=Envelope[Bot], HTTP_409=Problem), tags=["bot"])
def restart_bot() -> tuple[Envelope[Bot], int]:
    """Stop the bot and start it again; the API and its streams stay up."""
    return Envelope(data=services().bridge.bot.restart()), 202


@bot.post("/pause")
@requires("bot:write")
@limited("brake")
@api.validate(
    resp=Response(HTTP_200=Envelope[Bot], HTTP_409=Problem, HTTP_503=Problem, HTTP_504=Problem),
    tags=["bot"],
)
def pause_bot() -> Envelope[Bot]:
    """Place no new orders until resumed; open orders rest and may be canceled.

    The pause outlives restarts of the bot and of the server. A 503 `journal_unavailable`
    says that it holds, but that a restart would forget it.
    """
    return Envelope(data=services().bridge.bot.pause())


@bot.post("/resume")
@requires("bot:write")
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[Bot], HTTP_409=Problem, HTTP_503=Problem, HTTP_504=Problem),
    tags=["bot"],
)
def resume_bot() -> Envelope[Bot]:
    """Take new orders again."""
    return Envelope(data=services().bridge.bot.resume())
