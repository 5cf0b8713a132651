"""Routes of orders: list, preview, place, change, cancel."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import current_principal, requires
from backend.middleware.idempotency import idempotency_key, idempotent
from backend.middleware.rate_limit import limited, limited_by_orders
from backend.openapi.validation import api
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import Envelope, Page, Problem
from backend.schemas.order_commands import (
    CancelAllAfter,
    CancelQuery,
    ChangedOrder,
    DeadManSwitch,
    OrderBatch,
    OrderChange,
    OrderPreview,
    OrderResult,
)
from backend.schemas.orders import NewOrder, Order, OrderQuery
from backend.services import services

orders = Blueprint("orders", __name__, url_prefix="/orders")

_REFUSALS = {
    "HTTP_409": Problem,
    "HTTP_422": Problem,
    "HTTP_502": Problem,
    "HTTP_503": Problem,
    "HTTP_504": Problem,
}


@orders.get("")
@requires("orders:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Page[Order], HTTP_304=None, HTTP_503=Problem),
    tags=["orders"],
)
def list_orders(query: OrderQuery) -> SerializedResponse:
    """List orders, newest first."""
    return services().bridge.orders.page(query)


@orders.post("")
@requires("orders:write")
@limited("trade")
@idempotent
@api.validate(resp=Response(HTTP_201=Envelope[Order], **_REFUSALS), tags=["orders"])
def create_order(json: NewOrder) -> tuple[Envelope[Order], int, dict[str, str]]:
    """Place an order.

    Sizes and prices that the exchange would not take are refused, never adapted. The answer is
    the order as it stands right then: a market order may still be open in it. The same key and
    body give the first answer again for 24 hours; another body is a 409. An answer
    `order_state_unknown` says that the exchange has not told whether it has the order: look it
    up by its `client_order_id`.
    """
    order = services().bridge.orders.create(
        json, user_id=current_principal().user_id, idempotency_key=idempotency_key()
    )
    return Envelope(data=order), 201, {"Location": f"/api/v1/orders/{order.id}"}


@orders.delete("")
@requires("orders:write")
@limited("brake")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[list[OrderResult]],
        HTTP_502=Problem,
        HTTP_503=Problem,
        HTTP_504=Problem,
    ),
    tags=["orders"],
)
def cancel_orders(query: CancelQuery) -> Envelope[list[OrderResult]]:
    """Cancel all open orders, or those of a symbol or a side.

    Each order has its own outcome: as it ended, or why it could not be canceled.
    """
    return Envelope(data=services().bridge.orders.cancel_many(query))


@orders.post("/preview")
@requires("orders:write")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Envelope[OrderPreview], HTTP_503=Problem, HTTP_504=Problem),
    tags=["orders"],
)
def preview_order(json: NewOrder) -> Envelope[OrderPreview]:
    """Tell what would become of an order, without placing it.

    Quantity and price are shown rounded to the exchange's steps; each rule that would refuse
    the order as it was sent is listed.
    """
    return Envelope(data=services().bridge.orders.preview(json))


@orders.post("/batch")
@requires("orders:write")
@limited("trade")
@idempotent
@api.validate(
    resp=Response(HTTP_200=Envelope[list[OrderResult]], HTTP_503=Problem, HTTP_504=Problem),
    tags=["orders"],
)
@limited_by_orders
def create_orders(json: OrderBatch) -> Envelope[list[OrderResult]]:
    """Place up to 50 orders, one after the other.

    The answer holds one result for each, in the same places: the order, or why it was refused.
    """
    results = services().bridge.orders.create_many(
        json, user_id=current_principal().user_id, idempotency_key=idempotency_key()
    )
    return Envelope(data=results)


@orders.post("/cancel-all-after")
@requires("orders:write")
@limited("brake")
@api.validate(
    resp=Response(HTTP_200=Envelope[DeadManSwitch], HTTP_503=Problem, HTTP_504=Problem),
    tags=["orders"],
)
def arm_dead_man_switch(json: CancelAllAfter) -> Envelope[DeadManSwitch]:
    """Cancel all open orders unless this is called again in time; 0 disarms.

    One switch for the whole bot. It outlives restarts and crashes: if its time passes while
    the bot does not run, the orders are canceled when it starts, before it takes new ones.
    Orders that an exchange does not cancel at once are tried again until they are.
    """
    return Envelope(data=services().bridge.dead_man_switch.set(json.timeout_s))


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


@orders.patch("/<order_id>")
@requires("orders:write")
@limited("amend")
@api.validate(
    resp=Response(HTTP_200=Envelope[ChangedOrder], HTTP_404=Problem, **_REFUSALS),
    tags=["orders"],
)
def change_order(order_id: str, json: OrderChange) -> Envelope[ChangedOrder]:
    """Change an open order's quantity or prices.

    `method` says whether the exchange edited the order or canceled it and placed another one.
    """
    return Envelope(data=services().bridge.orders.change(order_id, json))


@orders.delete("/<order_id>")
@requires("orders:write")
@limited("amend")
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
