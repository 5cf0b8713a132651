"""Routes of the OpenAPI document and Swagger UI; nothing is loaded from other hosts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import orjson
from flask import Blueprint, Response, current_app, request

from backend.errors import NotFound
from backend.middleware.auth import authenticated, public
from backend.middleware.headers import set_cache_control, set_content_policy
from backend.openapi.document import openapi_document

_FILES = {
    "swagger_bundle.js": "text/javascript",
    "swagger_preset.js": "text/javascript",
    "swagger_style.css": "text/css",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OctoBot backend</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger_style.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger_bundle.js"></script>
<script src="docs/swagger_preset.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
});
"""
# everything comes from this server; only the icons in the style sheet are embedded in it
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_blueprint(*, production: bool) -> Blueprint:
    """Build the routes; in production the document is for users only and there is no page."""
    docs = Blueprint("docs", __name__)
    may_read = authenticated if production else public
    docs.add_url_rule("/openapi.json", view_func=may_read(_contract_view()))
    if not production:
        docs.add_url_rule("/docs", view_func=public(_show_page))
        docs.add_url_rule("/docs/<name>", view_func=public(_show_file))
    return docs


def _contract_view() -> Callable[[], Response]:
    """Return a view that makes its app's document once, at the first request."""

    @functools.cache
    def document() -> dict[str, Any]:
        return openapi_document(current_app)

    def _show_contract() -> Response:
        shown = document()
        prefix = request.environ.get("SCRIPT_NAME")
        if prefix:  # the path at which a proxy exposes this server
            shown = {**shown, "servers": [{"url": prefix}]}
        return Response(orjson.dumps(shown), mimetype="application/json")

    return _show_contract


def _show_page() -> Response:
    set_content_policy(request.environ, _POLICY)
    return Response(_PAGE, mimetype="text/html")


def _show_file(name: str) -> Response:
    set_cache_control(request.environ, "private, max-age=3600")
    if name == "start.js":
        return Response(_START, mimetype="text/javascript")
    if name not in _FILES:
        raise NotFound
    return Response(files("offapi").joinpath(name).read_bytes(), mimetype=_FILES[name])
