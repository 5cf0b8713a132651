"""The identity service and its small app, whose requests are audited."""

from tests.identity_app import (  # noqa: F401 - fixtures
    app,
    database,
    identity,
    password_hash,
    recorder,
    settings,
    start_identity,
    tokens,
)
from tests.middleware.audit.audited_app import admin, client  # noqa: F401 - fixtures
