"""CORS: allows the configured origins, by default none."""

from __future__ import annotations

from flask import Flask
from flask_cors import CORS

from backend.settings.model import Settings

_REQUEST_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "X-API-Key",
    "X-Request-ID",
]
_ANSWER_HEADERS = [
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
]
_PREFLIGHT_S = 3600


def install_cors(app: Flask, settings: Settings) -> None:
    """Allow the configured origins; tokens travel in a header, so cookies are not allowed."""
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_ANSWER_HEADERS,
            max_age=_PREFLIGHT_S,
        )
