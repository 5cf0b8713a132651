"""A clock that stands still, and a user whose authenticator app is enrolled."""

from __future__ import annotations

import pytest
import time_machine
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.auth import Tokens
from tests.identity.second_factor.authenticator import Authenticator
from tests.identity_app import NOWHERE, PASSWORD

START = 1_900_000_000 // 30 * 30


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def tokens(clock, identity: Identity) -> Tokens:
    return identity.login("trader", PASSWORD, *NOWHERE)


@pytest.fixture
def authenticator(client: FlaskClient, tokens: Tokens, clock) -> Authenticator:
    authenticator = Authenticator(client, tokens)
    clock.shift(60)
    return authenticator
