"""A second factor that a role has to have."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.api_keys import NewApiKey
from backend.settings.model import Settings
from tests.identity.second_factor.authenticator import Authenticator, outcome
from tests.identity_app import NOWHERE, PASSWORD, bearer

MISSING = (403, "second_factor_enrolment_required")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"require_second_factor": ("admin", "trader")})


@pytest.mark.usefixtures("clock")
def test_without_it_only_setting_it_up_works(client: FlaskClient, identity: Identity) -> None:
    tokens = identity.login("admin", PASSWORD, *NOWHERE)
    headers = bearer(tokens.access_token)
    for path in ("/users", "/audit", "/auth/sessions"):
        assert outcome(client.get(path, headers=headers)) == MISSING
    removed = client.delete("/auth/second-factor", headers=headers)
    assert outcome(removed) == MISSING
    assert client.get("/auth/me", headers=headers).status_code == 200
    proof = client.post("/auth/step-up", json={"password": PASSWORD}, headers=headers)
    assert proof.status_code == 200
    Authenticator(client, tokens)
    for path in ("/users", "/audit", "/auth/sessions"):
        assert client.get(path, headers=headers).status_code == 200
    removed = client.delete("/auth/second-factor", headers=headers)
    assert outcome(removed) == (409, "last_second_factor")
    identity.second_factors.remove_all(tokens.user.id)
    assert outcome(client.get("/users", headers=headers)) == MISSING


def test_api_keys_need_it_as_well(client: FlaskClient, identity: Identity) -> None:
    admin = identity.users.find_by_username("admin")
    wanted = NewApiKey(name="script", scopes=["users:read"])
    key = identity.api_keys.create(admin.id, "admin", wanted).key
    answer = client.get("/users", headers={"X-API-Key": key})
    assert outcome(answer) == MISSING


def test_other_roles_do_without(client: FlaskClient, identity: Identity) -> None:
    tokens = identity.login("viewer", PASSWORD, *NOWHERE)
    answer = client.get("/auth/sessions", headers=bearer(tokens.access_token))
    assert answer.status_code == 200
