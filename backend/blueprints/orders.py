"""Orders: list, place, cancel."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi import api
from backend.schemas.common import Envelope, Page, Problem
from backend.schemas.orders import NewOrder, Order, OrderQuery
from backend.schemas.prepared import Prepared
from backend.services import services

orders = Blueprint("orders", __name__, url_prefix="/orders")


@orders.get("")
@requires("orders:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Page[Order], HTTP_304=None, HTTP_503=Problem),
    tags=["orders"],
)
def list_orders(query: OrderQuery) -> Prepared:
    """List orders, newest first."""
    return services().bridge.orders.page(query)


@orders.post("")
@requires("orders:write")
@limited("trade")
@api.validate(
    resp=Response(
        HTTP_201=Envelope[Order],
        HTTP_409=Problem,
        HTTP_422=Problem,
        HTTP_502=Problem,
        HTTP_503=Problem,
        HTTP_504=Problem,
    ),
    tags=["orders"],
)
def create_order(json: NewOrder) -> tuple[Envelope[Order], int, dict[str, str]]:
    """Place an order.

    Sizes and prices that the exchange would not take are refused, never adapted. The answer is
    the order as it stands right then: a market order may still be open in it.
    """
    order = services().bridge.orders.create(json)
    return Envelope(data=order), 201, {"Location": f"/api/v1/orders/{order.id}"}


@orders.get("/<order_id>")
@requires("orders:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[Order], HTTP_404=Problem, HTTP_503=Problem),
    tags=["orders"],
)
def get_order(order_id: str) -> Envelope[Order]:
    """Show one order, open or ended."""
    return Envelope(data=services().bridge.orders.get(order_id))


@orders.delete("/<order_id>")
@requires("orders:write")
@limited("trade")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[Order],
        HTTP_404=Problem,
        HTTP_409=Problem,
        HTTP_502=Problem,
        HTTP_503=Problem,
        HTTP_504=Problem,
    ),
    tags=["orders"],
)
def cancel_order(order_id: str) -> Envelope[Order]:
    """Cancel an open order.

    A fill that is faster than the cancel wins: the order then comes back filled.
    """
    return Envelope(data=services().bridge.orders.cancel(order_id))
