"""ID tokens that a provider did not make, or not for this server, this app or this moment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest
import time_machine
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from werkzeug.test import TestResponse

from tests.identity.oidc.browser import RETURN_TO, Browser, query_of
from tests.identity.oidc.fake_provider import FakeProvider
from tests.identity.second_factor.authenticator import outcome


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


class App:
    """A native app, which gets its ID tokens from the provider by itself."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.nonce = client.post("/auth/oidc/nonce", json={}).json["data"]["nonce"]

    def send(self, id_token: object, nonce: str | None = None) -> TestResponse:
        body = {"id_token": id_token, "nonce": nonce or self.nonce}
        return self.client.post("/auth/oidc/id-token", json=body)


@pytest.fixture
def native(client: FlaskClient) -> App:
    return App(client)


def test_an_app_signs_in_with_its_id_token(native: App, fake_provider: FakeProvider) -> None:
    token = fake_provider.sign(fake_provider.claims(nonce=native.nonce))
    code = native.send(token).json["data"]["sign_in_code"]
    opened = native.client.post("/auth/oidc/token", json={"sign_in_code": code})
    assert opened.json["data"]["user"]["email"] == "someone@example.org"
    assert outcome(native.send(token)) == (400, "sign_in_failed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "another"}, "another audience"),
        ({"aud": ["octobot", "another"]}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": {"octobot": 1}}, "another audience"),
        ({"azp": "another"}, "another party"),
        ({"azp": ["octobot"]}, "another party"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": "never"}, "expired"),
        ({"exp": float("1e300")}, "expired"),
        ({"iat": 4_000_000_000}, "of the future"),
        ({"iat": 1_000_000_000}, "too old"),
        ({"nbf": 4_000_000_000}, "of the future"),
        ({"nonce": "another"}, "another nonce"),
        ({"nonce": None}, "another nonce"),
        ({"nonce": 7}, "another nonce"),
        ({"sub": None}, "no subject"),
        ({"sub": ""}, "no subject"),
        ({"sub": "x" * 256}, "no subject"),
        ({"sub": "a\x00b"}, "no subject"),
        ({"sub": ["someone"]}, "no subject"),
    ],
)
def test_claims_that_are_not_for_this_sign_in(
    native: App, fake_provider: FakeProvider, changes: dict[str, object], message: str
) -> None:
    claims = fake_provider.claims(**({"nonce": native.nonce} | changes))
    answer = native.send(fake_provider.sign(claims))
    assert outcome(answer) == (401, "invalid_id_token")
    assert message in answer.json["details"]


def test_signatures_that_are_not_the_providers(native: App, fake_provider: FakeProvider) -> None:
    claims = fake_provider.claims(nonce=native.nonce)
    good = fake_provider.sign(claims)
    header, payload, signature = good.split(".")
    public = fake_provider.key.as_pem(private=False)
    confused = f"{part({'alg': 'HS256', 'kid': 'one'})}.{payload}"
    mac = hmac.new(public, confused.encode(), hashlib.sha256).digest()
    own = RSAKey.generate_key(2048, {"kid": "one"})
    embedded = {"jwk": own.as_dict(private=False)}
    forged = [
        f"{part({'alg': 'none'})}.{payload}.",
        f"{part({'alg': 'None'})}.{payload}.{signature}",
        f"{confused}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}",
        jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(b"k" * 32)),
        fake_provider.sign(claims, own),
        fake_provider.sign(claims, own, **embedded),
        fake_provider.sign(claims, own, kid="two"),
        jwt.encode({"alg": "ES256", "kid": "one"}, claims, ECKey.generate_key("P-256")),
        f"{header}.{part(claims | {'sub': 'admin'})}.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{part([])}.{payload}.{signature}",
        f"{part({'alg': ['RS256']})}.{payload}.{signature}",
        f"{part({'alg': 'RS256', 'kid': {}})}.{payload}.{signature}",
        f"{part({'alg': 'RS256', 'kid': 'one', 'crit': ['x']})}.{payload}.{signature}",
        "...",
        "a.b.c",
        "é.é.é",
        "A" * 8192,
    ]
    for token in forged:
        native.nonce = native.client.post("/auth/oidc/nonce", json={}).json["data"]["nonce"]
        answer = native.send(token)
        assert outcome(answer) == (401, "invalid_id_token"), token[:80]


@pytest.mark.parametrize("id_token", [None, 7, {}, "", "A" * 8193, "A" * 900_000])
def test_what_is_no_id_token(native: App, id_token: object) -> None:
    assert outcome(native.send(id_token)) == (400, "validation_error")


def test_a_nonce_that_was_not_issued(native: App, fake_provider: FakeProvider) -> None:
    token = fake_provider.sign(fake_provider.claims(nonce="made-up"))
    assert outcome(native.send(token, "made-up")) == (400, "sign_in_failed")


@pytest.mark.parametrize(
    "changes",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
        {"email_verified": 1.5},
        {"email": None},
        {"email": 7},
        {"email": "someone@exämple.org"},
        {"email": "x" * 300},
    ],
)
def test_an_address_that_is_not_verified(
    native: App, fake_provider: FakeProvider, changes: dict[str, object]
) -> None:
    claims = fake_provider.claims(nonce=native.nonce, **changes)
    code = native.send(fake_provider.sign(claims)).json["data"]["sign_in_code"]
    answer = native.client.post("/auth/oidc/token", json={"sign_in_code": code})
    assert outcome(answer) == (403, "email_not_verified")


@pytest.mark.parametrize("changes", [{"nonce": "of another"}, {"aud": "app"}, {"exp": 1}])
def test_a_token_of_the_code_flow_is_checked_as_well(
    browser: Browser, fake_provider: FakeProvider, changes: dict[str, object]
) -> None:
    for change, error in ((changes, "invalid_id_token"), ({}, None)):
        asked = query_of(browser.begin().headers["Location"])
        claims = fake_provider.claims(**({"nonce": asked["nonce"]} | change))
        fake_provider.id_token = fake_provider.sign(claims)
        back = browser.come_back(f"code=c&state={asked['state']}").headers["Location"]
        assert query_of(back).get("error") == error
        assert back.startswith(RETURN_TO)
    form = query_of(f"?{fake_provider.forms[-1]}")
    assert (form["grant_type"], form["code"]) == ("authorization_code", "c")
    assert len(form["code_verifier"]) == 43
    assert "client_secret" not in form


def test_a_code_wears_off(native: App, fake_provider: FakeProvider) -> None:
    token = fake_provider.sign(fake_provider.claims(nonce=native.nonce))
    code = native.send(token).json["data"]["sign_in_code"]
    with time_machine.travel(time.time() + 301):
        late = native.client.post("/auth/oidc/token", json={"sign_in_code": code})
    assert outcome(late) == (400, "invalid_code")
