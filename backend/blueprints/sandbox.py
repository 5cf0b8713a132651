"""Routes that control the sandbox exchange's prices, for tests of clients."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.blueprints.path_parameters import symbol_in_path
from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.common import Envelope, Problem
from backend.schemas.sandbox import PriceChange, SandboxPrice
from backend.services import services

sandbox = Blueprint("sandbox", __name__, url_prefix="/sandbox")


@sandbox.put("/prices/<path:symbol>")
@requires("config:write")
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SandboxPrice], HTTP_404=Problem), tags=["sandbox"])
def set_sandbox_price(symbol: str, json: PriceChange) -> Envelope[SandboxPrice]:
    """Have a sandbox price jump, and stay there if asked to."""
    name = symbol_in_path(symbol)
    prices = services().bridge.sandbox
    change = prices.pin if json.hold else prices.move
    change(name, json.price)
    return Envelope(data=SandboxPrice(symbol=name, price=json.price, held=json.hold))


@sandbox.delete("/prices/<path:symbol>")
@requires("config:write")
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SandboxPrice], HTTP_404=Problem), tags=["sandbox"])
def release_sandbox_price(symbol: str) -> Envelope[SandboxPrice]:
    """Let a held sandbox price go on by itself."""
    name = symbol_in_path(symbol)
    services().bridge.sandbox.release(name)
    return Envelope(data=SandboxPrice(symbol=name, price=None, held=False))
