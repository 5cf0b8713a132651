"""Routes of exchange connections: the API keys with which the bot trades."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires, stepped_up
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.common import Envelope, Problem
from backend.schemas.exchange_keys import (
    ConnectionTest,
    Credentials,
    CredentialsChange,
    CredentialsRemoval,
    NewCredentials,
)
from backend.services import services

connections = Blueprint("connections", __name__, url_prefix="/exchanges")


@connections.get("/credentials")
@requires("credentials:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[list[Credentials]], HTTP_503=Problem), tags=["connections"]
)
def list_credentials() -> Envelope[list[Credentials]]:
    """List the exchanges that keys are stored for."""
    return Envelope(data=services().credentials.list_all())


@connections.get("/<exchange>/credentials")
@requires("credentials:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[Credentials], HTTP_503=Problem), tags=["connections"])
def get_credentials(exchange: str) -> Envelope[Credentials]:
    """Show what is stored for an exchange; of the key only its end, of the secret nothing."""
    return Envelope(data=services().credentials.get(exchange))


@connections.post("/<exchange>/credentials")
@requires("credentials:write")
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_201=Envelope[Credentials], HTTP_409=Problem, HTTP_503=Problem),
    tags=["connections"],
)
def add_credentials(
    exchange: str, json: NewCredentials
) -> tuple[Envelope[Credentials], int, dict[str, str]]:
    """Store the keys of an account, encrypted.

    They are used once they are enabled with `trading: real` and the server runs
    with BACKEND_TRADING=real; a running bot is then restarted at once, its open
    orders stay at the exchange.
    """
    added = services().credentials.add(exchange, json)
    address = f"/api/v1/exchanges/{exchange}/credentials"
    return Envelope(data=added), 201, {"Location": address}


@connections.patch("/<exchange>/credentials")
@requires("credentials:write")
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[Credentials], HTTP_409=Problem, HTTP_503=Problem),
    tags=["connections"],
)
def change_credentials(exchange: str, json: CredentialsChange) -> Envelope[Credentials]:
    """Replace keys, enable or disable them, choose paper or real, main or test network.

    A running bot that this concerns is restarted at once.
    """
    return Envelope(data=services().credentials.change(exchange, json))


@connections.delete("/<exchange>/credentials")
@requires("credentials:write")
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[CredentialsRemoval], HTTP_503=Problem), tags=["connections"]
)
def remove_credentials(exchange: str) -> Envelope[CredentialsRemoval]:
    """Forget the keys of an exchange; a running bot that uses them is restarted at once."""
    return Envelope(data=services().credentials.remove(exchange))


@connections.post("/<exchange>/credentials/test")
@requires("credentials:write")
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[ConnectionTest], HTTP_409=Problem, HTTP_503=Problem),
    tags=["connections"],
)
def test_credentials(exchange: str) -> Envelope[ConnectionTest]:
    """Ask the exchange for the balances with the stored keys; `outcome` is what it said."""
    return Envelope(data=services().credentials.test(exchange))
