"""The current request and app, read without Flask's proxies."""

from __future__ import annotations

from flask import Flask, Request, current_app, g, request
from flask.ctx import _AppCtxGlobals


def current_request() -> Request:
    """Return the request itself: its stand-in finds it anew for each attribute."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def serving_app() -> Flask:
    """Return the app that serves the present request, itself."""
    found: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return found


def request_globals() -> _AppCtxGlobals:
    """Return what the present request keeps for itself, itself."""
    found: _AppCtxGlobals = g._get_current_object()
    return found
