"""A provider that is down, slow, huge, or says something else than it should."""

from __future__ import annotations

import json
import threading

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from backend.errors import (
    InvalidIdToken,
    OidcOff,
    ProviderUnavailable,
    RegistrationOff,
    SignInFailed,
)
from backend.identity import Identity
from backend.identity.oidc.provider import Provider
from backend.identity.oidc.provider_http import MAX_BYTES, MOST_AT_ONCE
from backend.schemas.oidc import SignIn, SignInQuery
from backend.schemas.users import UserChange
from backend.settings.model import Settings
from tests.identity.oidc.browser import RETURN_TO, Browser, query_of
from tests.identity.oidc.fake_provider import FakeProvider
from tests.identity.second_factor.authenticator import outcome
from tests.identity_app import NOWHERE, StartIdentity

DISCOVERY = "/.well-known/openid-configuration"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def answer(status: int, content: bytes = b"{}", **headers: str):
    return lambda: (
        status,
        {name.replace("_", "-"): text for name, text in headers.items()},
        content,
    )


@pytest.mark.parametrize(
    "given",
    [
        answer(500),
        answer(404),
        answer(302, Location="http://127.0.0.1:1/elsewhere"),
        answer(200, b"not json"),
        answer(200, b"[]"),
        answer(200, b"[" * 100_000),
        answer(200, b" " * (MAX_BYTES + 1)),
        answer(200, b"{}", Content_Encoding="gzip"),
        answer(200, b'{"issuer": "https://evil.example"}'),
        answer(200, b"{}", Content_Length="1"),
    ],
)
def test_discovery_that_fails_is_a_503(
    browser: Browser, fake_provider: FakeProvider, given
) -> None:
    fake_provider.answers[DISCOVERY] = given
    refused = browser.begin()
    assert outcome(refused) == (503, "provider_unavailable")
    assert "OpenID provider" in refused.json["details"]
    assert int(refused.headers["Retry-After"]) > 0
    del fake_provider.answers[DISCOVERY]
    assert browser.begin().status_code == 302


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url", [None, 7, "", "http://provider.example/x", "file:///etc/passwd", "https://a:b@c/", "//x"]
)
def test_endpoints_have_https_or_are_on_this_machine(
    browser: Browser, fake_provider: FakeProvider, name: str, url: object
) -> None:
    fake_provider.metadata = {name: url}
    assert outcome(browser.begin()) == (503, "provider_unavailable")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(500), "provider_unavailable"),
        (answer(400, b'{"error": "invalid_grant"}'), "sign_in_failed"),
        (answer(200, b'{"access_token": "a"}'), "sign_in_failed"),
        (answer(200, b'{"id_token": 7}'), "sign_in_failed"),
        (answer(200, b'{"id_token": "a.b.c"}'), "invalid_id_token"),
    ],
)
def test_a_token_endpoint_that_fails_leads_back_with_an_error(
    browser: Browser, fake_provider: FakeProvider, given, error: str
) -> None:
    asked = query_of(browser.begin().headers["Location"])
    fake_provider.answers["/token"] = given
    back = browser.come_back(f"code=c&state={asked['state']}")
    assert back.headers["Location"] == f"{RETURN_TO}?error={error}"


def test_a_provider_that_is_gone_is_a_503(start_identity: StartIdentity) -> None:
    gone = start_identity(oidc_issuer="http://127.0.0.1:1")
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        gone.oidc.begin(SignInQuery(return_to=RETURN_TO, code_challenge=CHALLENGE))


def test_so_many_wait_for_it_at_once(settings: Settings, fake_provider: FakeProvider) -> None:
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def slowly():
        waiting.release()
        assert go_on.wait(60)
        return 500, {}, b"{}"

    fake_provider.answers[DISCOVERY] = slowly
    provider = Provider(settings, "http://localhost:8000/callback")
    outcomes: list[str] = []

    def ask() -> None:
        try:
            provider.authorization_url("s", "n", "v" * 43, reauthenticate=False)
        except ProviderUnavailable as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(MOST_AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=60)
    ask()
    assert len(outcomes) == 1
    assert "too many at once" in outcomes[0]
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(outcomes) == MOST_AT_ONCE + 1


def test_keys_are_kept_and_fetched_anew_for_an_unknown_one_but_not_always(
    settings: Settings, fake_provider: FakeProvider
) -> None:
    provider, hasty = Provider(settings, ""), Provider(settings, "", refetch_s=0)
    first = fake_provider.sign(fake_provider.claims(nonce="n"))
    for _ in range(3):
        assert provider.verify(first, "n").subject == "someone"
    assert fake_provider.asked["/keys"] == 1
    assert hasty.verify(first, "n").subject == "someone"
    second = RSAKey.generate_key(2048, {"kid": "two"})
    fake_provider.keys = [second.as_dict(private=False)]
    rotated = fake_provider.sign(fake_provider.claims(nonce="n"), second, kid="two")
    for _ in range(3):
        with pytest.raises(InvalidIdToken):
            provider.verify(rotated, "n")
    assert fake_provider.asked["/keys"] == 2
    assert hasty.verify(rotated, "n").subject == "someone"
    assert fake_provider.asked["/keys"] == 3
    with pytest.raises(InvalidIdToken):
        hasty.verify(first, "n")


@pytest.mark.parametrize("keys", [b"{}", b'{"keys": 7}', b'{"keys": [{}]}', b'{"keys": [7]}'])
def test_keys_that_are_none(settings: Settings, fake_provider: FakeProvider, keys: bytes) -> None:
    fake_provider.answers["/keys"] = answer(200, keys)
    token = fake_provider.sign(fake_provider.claims(nonce="n"))
    with pytest.raises(ProviderUnavailable):
        Provider(settings, "").verify(token, "n")


def test_a_shared_secret_among_the_keys_is_left_out(
    settings: Settings, fake_provider: FakeProvider
) -> None:
    fake_provider.keys.append({"kty": "oct", "kid": "oct", "k": "a2V5"})
    token = fake_provider.sign(fake_provider.claims(nonce="n"))
    assert Provider(settings, "").verify(token, "n").subject == "someone"


@pytest.mark.parametrize(
    "return_to",
    ["https://evil.example/", f"{RETURN_TO}/x", f"{RETURN_TO}?x=1", "//evil.example", "x"],
)
def test_it_returns_only_to_where_the_settings_allow(browser: Browser, return_to: str) -> None:
    refused = browser.begin(return_to=return_to)
    assert outcome(refused) == (400, "validation_error")
    assert refused.json["fields"][0]["field"] == "return_to"


@pytest.mark.parametrize("challenge", ["", "x", "a" * 44, "é" * 43, CHALLENGE + "="])
def test_it_takes_a_challenge(browser: Browser, challenge: str) -> None:
    assert outcome(browser.begin(code_challenge=challenge)) == (400, "validation_error")


@pytest.mark.parametrize("query", ["", "code=c", "state=", f"state={'s' * 201}&code=c"])
def test_a_callback_without_a_state(client: FlaskClient, query: str) -> None:
    assert outcome(client.get(f"/auth/oidc/callback?{query}")) == (400, "validation_error")


def test_a_client_without_a_secret_or_with_one_in_the_body(
    start_identity: StartIdentity, fake_provider: FakeProvider
) -> None:
    for secret, methods in ((None, []), ("s", ["client_secret_post"])):
        fake_provider.metadata = {"token_endpoint_auth_methods_supported": methods}
        given = SecretStr(secret) if secret else None
        provider = start_identity(oidc_client_secret=given).oidc._provider()
        fake_provider.answers["/token"] = answer(400, json.dumps({"error": "x"}).encode())
        with pytest.raises(SignInFailed):
            provider.exchange("c", "n", "v" * 43)
        form = query_of(f"?{fake_provider.forms[-1]}")
        assert form["client_id"] == "octobot"
        assert form.get("client_secret") == secret


def test_newcomers_are_refused_where_registration_is_closed(
    start_identity: StartIdentity, fake_provider: FakeProvider, identity: Identity
) -> None:
    closed = start_identity(oidc_registration=False)
    nonce = closed.oidc.new_nonce().nonce
    token = fake_provider.sign(fake_provider.claims(nonce=nonce))
    code = closed.oidc.accept_id_token(token, nonce).sign_in_code
    with pytest.raises(RegistrationOff):
        closed.sign_in_with_provider(SignIn(sign_in_code=code), *NOWHERE)
    opened = identity.sign_in_with_provider(SignIn(sign_in_code=code), *NOWHERE)
    assert opened.user.role == "viewer"
    promoted = identity.users.change(opened.user.id, UserChange(role="admin"))
    assert promoted.must_change_password is False


def test_without_a_provider_it_is_off(start_identity: StartIdentity) -> None:
    bare = start_identity(oidc_issuer=None)
    with pytest.raises(OidcOff):
        bare.oidc.new_nonce()
    production = start_identity(env="production")
    with pytest.raises(OidcOff, match="BACKEND_OIDC_REDIRECT_URI"):
        production.oidc.begin(SignInQuery(return_to=RETURN_TO, code_challenge=CHALLENGE))
