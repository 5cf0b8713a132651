"""Route of the metrics, in Prometheus' text format."""

from __future__ import annotations

import hmac
import ipaddress

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST

from backend.errors import Forbidden, InvalidToken, NotAuthenticated
from backend.middleware.auth import checked_by
from backend.services import services

metrics = Blueprint("metrics", __name__)

_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


def _check_reader() -> None:
    """Allow callers with the token; without a configured token, callers on this machine."""
    token = services().settings.metrics_token
    if token is None:
        if not _is_local():
            raise Forbidden("set BACKEND_METRICS_TOKEN to read this from elsewhere")
        return
    header = request.headers.get("Authorization")
    if header is None:
        raise NotAuthenticated("send the metrics token: Authorization: Bearer <token>")
    scheme, _, given = header.partition(" ")
    wanted = token.get_secret_value().encode()
    fits = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), wanted)
    if scheme.lower() != "bearer" or not fits:
        raise InvalidToken


def _is_local() -> bool:
    """Return whether the caller is local: a proxy on this machine names the caller it forwards."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return address.is_loopback and not any(name in request.headers for name in _FORWARDED)


@metrics.get("/metrics")
@checked_by(_check_reader)
def show_metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    parts = services()
    body = parts.host.call_blocking(parts.metrics.render)
    return Response(body, content_type=CONTENT_TYPE_LATEST)
