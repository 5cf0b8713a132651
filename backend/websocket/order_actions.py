"""Order actions of a WebSocket, each as the equivalent API request."""

from __future__ import annotations

from backend.identity import Principal
from backend.openapi.validation import read_model
from backend.schemas.websocket import OrderReference, SocketRequest
from backend.websocket.api_caller import ApiCaller, ApiResponse
from backend.websocket.messages import request_body

_ORDERS = "/api/v1/orders"


def call_order_action(
    api: ApiCaller, request: SocketRequest, principal: Principal | None
) -> ApiResponse:
    """Place, cancel or change an order through its route."""
    if request.action == "order.create":
        key = request.idempotency_key
        headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
        body = request_body(request.data)
        return api.request("POST", _ORDERS, body, principal=principal, headers=headers)
    if request.action == "order.cancel":
        order = read_model(OrderReference, request_body(request.data))
        return api.request("DELETE", f"{_ORDERS}/{order.order_id}", principal=principal)
    reference = {name: value for name, value in request.data.items() if name == "order_id"}
    order = read_model(OrderReference, request_body(reference))
    change = {name: value for name, value in request.data.items() if name != "order_id"}
    path = f"{_ORDERS}/{order.order_id}"
    return api.request("PATCH", path, request_body(change), principal=principal)
