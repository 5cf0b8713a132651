"""The identity service and its small app, for the tests of this folder."""

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
