"""Enrolling, storing and removing a second factor."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pyotp
from flask.testing import FlaskClient
from sqlalchemy import text

from backend.identity import Identity
from backend.schemas.auth import Tokens
from backend.store import Database
from tests.identity.second_factor.authenticator import Authenticator, log_in, outcome
from tests.identity_app import NOWHERE, PASSWORD, bearer


def test_an_app_reads_the_address(authenticator: Authenticator) -> None:
    parts = urlsplit(authenticator.uri)
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/OctoBot:trader")
    assert (query["secret"], query["issuer"]) == ([authenticator.seed], ["OctoBot"])


def test_nothing_is_in_force_before_a_code_was_shown(client: FlaskClient, tokens: Tokens) -> None:
    headers = bearer(tokens.access_token)
    seed = client.post("/auth/second-factor", headers=headers).json["data"]["secret"]
    assert log_in(client).status_code == 200
    wrong = client.post("/auth/second-factor/confirm", json={"code": "000000"}, headers=headers)
    assert (wrong.status_code, wrong.json["fields"][0]["field"]) == (400, "code")
    assert log_in(client).status_code == 200
    again = client.post("/auth/second-factor", headers=headers).json["data"]["secret"]
    assert again != seed
    stale = {"code": pyotp.TOTP(seed).at(int(time.time()))}
    confirm = client.post("/auth/second-factor/confirm", json=stale, headers=headers)
    assert confirm.status_code == 400


def test_a_second_factor_in_force_is_not_replaced_in_passing(
    client: FlaskClient, tokens: Tokens, authenticator: Authenticator
) -> None:
    headers = bearer(tokens.access_token)
    for path, body in (("", None), ("/confirm", {"code": authenticator.code()})):
        answer = client.post(f"/auth/second-factor{path}", json=body, headers=headers)
        assert outcome(answer) == (409, "conflict")
    assert log_in(client, authenticator.code()).status_code == 200


def test_it_is_removed_by_its_owner_after_a_step_up(
    client: FlaskClient, authenticator: Authenticator, clock
) -> None:
    tokens = log_in(client, authenticator.code()).json["data"]
    renewed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    refused = client.delete(
        "/auth/second-factor", headers=bearer(renewed.json["data"]["access_token"])
    )
    assert outcome(refused) == (403, "step_up_required")
    removed = client.delete("/auth/second-factor", headers=bearer(tokens["access_token"]))
    assert removed.json["data"] == {"second_factor": False}
    assert log_in(client).json["data"]["user"]["second_factor"] is False


def test_an_admin_removes_that_of_a_user_who_lost_everything(
    client: FlaskClient, identity: Identity, authenticator: Authenticator, tokens: Tokens
) -> None:
    admin = bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)
    path = f"/users/{tokens.user.id}/second-factor"
    assert client.delete(path, headers=admin).status_code == 200
    assert log_in(client).status_code == 200
    assert client.delete("/users/nobody/second-factor", headers=admin).status_code == 404


def test_neither_seed_nor_recovery_codes_are_in_the_database(
    database: Database, authenticator: Authenticator
) -> None:
    with database.engine.connect() as connection:
        content = "\n".join(
            str(row)
            for table in ("second_factors", "recovery_codes", "audit_entries", "users")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        )
    assert "enc:v1:" in content
    for secret in (authenticator.seed, *authenticator.recovery):
        assert secret not in content
        assert secret.replace("-", "") not in content


def test_a_seed_copied_to_another_user_does_not_open(
    client: FlaskClient, identity: Identity, database: Database, authenticator: Authenticator, clock
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    Authenticator(client, viewer)
    clock.shift(60)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE second_factors SET sealed = (SELECT sealed FROM second_factors "
                "WHERE user_id != :id) WHERE user_id = :id"
            ),
            {"id": viewer.user.id},
        )
    body = {"username": "viewer", "password": PASSWORD, "code": authenticator.code()}
    assert client.post("/auth/login", json=body).status_code == 409
