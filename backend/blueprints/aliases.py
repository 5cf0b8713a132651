"""Second paths of registration, login and logout, as other backends and their apps call them."""

from __future__ import annotations

from flask import Flask

ALIASES = {
    "/signup": "mailed_codes.ask_to_register",
    "/verify-otp": "mailed_codes.verify_code",
    "/complete-registration": "mailed_codes.register",
    "/signin": "auth.login",
    "/signout": "auth.logout",
}
"""Endpoints by their alias: views, limits and audit are those of the first path."""


def add_aliases(app: Flask, base: str = "") -> None:
    """Add the aliases below a base path; their endpoints are there already."""
    for path, endpoint in ALIASES.items():
        app.add_url_rule(base + path, endpoint, methods=["POST"])
