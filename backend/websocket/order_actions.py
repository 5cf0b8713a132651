"""The actions about orders, each as the request of HTTP that it stands for."""

from __future__ import annotations

from backend.identity import Principal
from backend.openapi.validation import read_model
from backend.schemas.websocket import OrderReference, SocketRequest
from backend.websocket.api_caller import ApiCaller, ApiResponse
from backend.websocket.messages import body_of

_ORDERS = "/api/v1/orders"


def ask_about_order(
    door: ApiCaller, request: SocketRequest, principal: Principal | None
) -> ApiResponse:
    """Place, cancel or change an order, as the routes do."""
    if request.action == "order.create":
        key = request.idempotency_key
        headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
        body = body_of(request.data)
        return door.ask("POST", _ORDERS, body, principal=principal, headers=headers)
    if request.action == "order.cancel":
        order = read_model(OrderReference, body_of(request.data))
        return door.ask("DELETE", f"{_ORDERS}/{order.order_id}", principal=principal)
    named = {name: value for name, value in request.data.items() if name == "order_id"}
    order = read_model(OrderReference, body_of(named))
    change = {name: value for name, value in request.data.items() if name != "order_id"}
    path = f"{_ORDERS}/{order.order_id}"
    return door.ask("PATCH", path, body_of(change), principal=principal)
