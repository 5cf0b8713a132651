"""Fixtures: the identity service and a small app on it."""

from tests.identity_app import (  # noqa: F401 - fixtures
    app,
    client,
    database,
    identity,
    password_hash,
    recorder,
    settings,
    start_identity,
    tokens,
)
