"""A user who has one passkey."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.auth import Tokens
from tests.identity.passkeys.owner import Owner
from tests.identity_app import NOWHERE, PASSWORD


@pytest.fixture
def owner(client: FlaskClient, tokens: Tokens) -> Owner:
    owner = Owner(client, "trader", tokens.access_token)
    owner.add()
    return owner


@pytest.fixture
def viewer(client: FlaskClient, identity: Identity) -> Owner:
    return Owner(client, "viewer", identity.login("viewer", PASSWORD, *NOWHERE).access_token)
