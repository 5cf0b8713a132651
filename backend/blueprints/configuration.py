"""Routes of OctoBot's own configuration."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires, stepped_up
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import Envelope, Problem
from backend.schemas.configuration import ConfigDocument, ConfigPatch
from backend.services import services

configuration = Blueprint("configuration", __name__, url_prefix="/config")


@configuration.get("")
@requires("config:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[ConfigDocument], HTTP_304=None, HTTP_503=Problem),
    tags=["configuration"],
)
def get_configuration() -> SerializedResponse:
    """Show OctoBot's configuration and profile, secrets masked."""
    return services().bridge.config.read()


@configuration.patch("")
@requires("config:write")
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[ConfigDocument], HTTP_503=Problem), tags=["configuration"]
)
def change_configuration(json: ConfigPatch) -> Envelope[ConfigDocument]:
    """Change parts of it with a JSON merge patch.

    A secret sent back masked stays what it was. Changes take effect when the bot next starts.
    """
    return Envelope(data=ConfigDocument(services().bridge.config.patch(json.root)))


@configuration.get("/schema")
@requires("config:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[ConfigDocument]), tags=["configuration"])
def get_configuration_schema() -> Envelope[ConfigDocument]:
    """Show the JSON schema of the configuration."""
    return Envelope(data=ConfigDocument(services().bridge.config.schema()))
