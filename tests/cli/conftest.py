"""The identity service whose database the commands change."""

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
