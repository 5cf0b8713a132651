"""Routes of futures positions: list, show, close, set leverage and margin mode."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.blueprints.path_parameters import symbol_in_path
from backend.middleware.auth import current_principal, requires
from backend.middleware.idempotency import idempotency_key, idempotent
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import Envelope, Problem
from backend.schemas.orders import Order
from backend.schemas.positions import (
    ClosePosition,
    Position,
    PositionChange,
    PositionPlace,
    PositionQuery,
)
from backend.services import services

positions = Blueprint("positions", __name__, url_prefix="/positions")


@positions.get("")
@requires("orders:read")
@limited("query")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[list[Position]], HTTP_304=None, HTTP_503=Problem, HTTP_504=Problem
    ),
    tags=["positions"],
)
def list_positions(query: PositionQuery) -> SerializedResponse:
    """List positions, by exchange and symbol. On exchanges that trade spot there are none."""
    return services().bridge.positions.read(query)


@positions.get("/<path:symbol>")
@requires("orders:read")
@limited("query")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[Position], HTTP_409=Problem, HTTP_503=Problem, HTTP_504=Problem
    ),
    tags=["positions"],
)
def get_position(symbol: str, query: PositionPlace) -> Envelope[Position]:
    """Show one position; while none is open, the contract's settings."""
    position = services().bridge.positions.get(symbol_in_path(symbol), query.exchange)
    return Envelope(data=position)


@positions.patch("/<path:symbol>")
@requires("orders:write")
@limited("amend")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[Position],
        HTTP_409=Problem,
        HTTP_422=Problem,
        HTTP_502=Problem,
        HTTP_503=Problem,
        HTTP_504=Problem,
    ),
    tags=["positions"],
)
def change_position(symbol: str, json: PositionChange) -> Envelope[Position]:
    """Change leverage or margin mode of a contract, and of the position that is open in it.

    The margin mode only changes while neither a position nor an order is open in the contract.
    """
    return Envelope(data=services().bridge.positions.change(symbol_in_path(symbol), json))


@positions.post("/<path:symbol>/close")
@requires("orders:write")
@limited("brake")
@idempotent
@api.validate(
    resp=Response(
        HTTP_201=Envelope[Order],
        HTTP_409=Problem,
        HTTP_422=Problem,
        HTTP_502=Problem,
        HTTP_503=Problem,
        HTTP_504=Problem,
    ),
    tags=["positions"],
)
def close_position(symbol: str, json: ClosePosition) -> tuple[Envelope[Order], int, dict[str, str]]:
    """Close a position, whole or in part, at the market or with a limit order.

    The order only reduces: of two requests that close the same quantity one is refused, and
    neither opens the other side. It passes risk limits and a pause of the bot. The answer, its
    key and its errors are those of any other order.
    """
    order = services().bridge.positions.close(
        symbol_in_path(symbol),
        json,
        user_id=current_principal().user_id,
        idempotency_key=idempotency_key(),
    )
    return Envelope(data=order), 201, {"Location": f"/api/v1/orders/{order.id}"}
