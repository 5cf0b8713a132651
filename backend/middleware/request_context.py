"""The current request and app, read without Flask's proxies."""

from __future__ import annotations

from flask import Flask, Request, current_app, g, request
from flask.ctx import _AppCtxGlobals


def current_request() -> Request:
    """Return the request object: Flask's proxy looks it up for each attribute."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def serving_app() -> Flask:
    """Return the app object that serves the present request."""
    found: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return found


def request_globals() -> _AppCtxGlobals:
    """Return the present request's `g` object."""
    found: _AppCtxGlobals = g._get_current_object()
    return found
