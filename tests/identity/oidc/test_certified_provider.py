"""Signing in at a real, certified OpenID provider: accounts linked, made, refused."""

from __future__ import annotations

import pyotp
import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from backend.identity import Identity
from backend.middleware.audit import Audit
from backend.schemas.users import UserChange
from backend.store import Database
from backend.store.models import User
from tests.identity.oidc.browser import RETURN_TO, Browser, query_of
from tests.identity.passkeys.owner import Owner
from tests.identity.second_factor.authenticator import Authenticator, outcome
from tests.identity_app import NOWHERE, PASSWORD, bearer


@pytest.fixture
def issuer(certified_issuer: str) -> str:
    return certified_issuer


@pytest.fixture
def verified(identity: Identity, database: Database) -> str:
    """The address of the user `trader`, which is verified."""
    user = identity.users.find_by_username("trader")
    identity.users.change(user.id, UserChange(email="trader@example.org"))
    verify(database, "trader")
    return "trader@example.org"


def verify(database: Database, username: str) -> None:
    change = update(User).where(User.username == username).values(email_verified=True)
    database.write(lambda session: session.execute(change))


def test_a_newcomer_becomes_a_viewer(browser: Browser) -> None:
    answer = browser.sign_in("new-1 New@Example.org true")
    user = answer.json["data"]["user"]
    assert (user["username"], user["role"], user["email"]) == (
        "new@example.org",
        "viewer",
        "new@example.org",
    )
    me = browser.client.get("/auth/me", headers=bearer(answer.json["data"]["access_token"]))
    assert me.status_code == 200
    again = browser.sign_in("new-1 new@example.org true")
    assert again.json["data"]["user"]["id"] == user["id"]
    # the identity is linked, whatever its address is by now
    moved = browser.sign_in("new-1 moved@example.org false")
    assert moved.json["data"]["user"]["id"] == user["id"]


def test_an_account_is_linked_by_its_verified_address(browser: Browser, verified: str) -> None:
    answer = browser.sign_in(f"sub-2 {verified} true")
    assert answer.json["data"]["user"]["username"] == "trader"


def test_an_address_that_the_provider_has_not_verified_proves_nothing(
    browser: Browser, verified: str
) -> None:
    assert outcome(browser.sign_in(f"sub-3 {verified} false")) == (403, "email_not_verified")
    assert outcome(browser.sign_in("sub-3 new3@example.org false")) == (403, "email_not_verified")


def test_an_address_that_was_never_verified_here_is_not_linked(
    browser: Browser, verified: str, identity: Identity
) -> None:
    user = identity.users.find_by_username("trader")
    identity.users.change(user.id, UserChange(email="other@example.org"))
    answer = browser.sign_in("sub-4 other@example.org true")
    assert outcome(answer) == (409, "account_not_linked")
    # nor after the address has moved to another user
    viewer = identity.users.find_by_username("viewer")
    identity.users.change(viewer.id, UserChange(email=verified))
    assert outcome(browser.sign_in(f"sub-4 {verified} true")) == (409, "account_not_linked")


def test_a_disabled_user_stays_out(browser: Browser, verified: str, identity: Identity) -> None:
    assert browser.sign_in(f"sub-5 {verified} true").status_code == 200
    user = identity.users.find_by_username("trader")
    identity.users.change(user.id, UserChange(disabled=True))
    answer = browser.sign_in(f"sub-5 {verified} true")
    assert outcome(answer) == (401, "invalid_credentials")


def test_the_second_factor_is_asked_for_too(
    browser: Browser, client: FlaskClient, verified: str, identity: Identity
) -> None:
    authenticator = Authenticator(client, identity.login("trader", PASSWORD, *NOWHERE))
    back = browser.come_back(browser.visit_provider(browser.begin(), f"sub-6 {verified} true"))
    code = browser.code(back)
    missing = browser.exchange(code)
    assert outcome(missing) == (401, "second_factor_required")
    assert missing.json["second_factor"]["methods"] == ["app", "recovery_code"]
    assert outcome(browser.exchange(code, code="000000")) == (401, "wrong_code")
    opened = browser.exchange(code, code=authenticator.recovery[0])
    assert opened.status_code == 200
    principal = identity.verify_access_token(opened.json["data"]["access_token"])
    assert identity.has_stepped_up(principal) is True
    assert outcome(browser.exchange(code, code=pyotp.random_base32()[:8])) == (400, "invalid_code")


def test_a_passkey_serves_as_the_second_factor(
    browser: Browser, client: FlaskClient, verified: str, identity: Identity
) -> None:
    owner = Owner(client, "trader", identity.login("trader", PASSWORD, *NOWHERE).access_token)
    owner.add()
    back = browser.come_back(browser.visit_provider(browser.begin(), f"sub-7 {verified} true"))
    code = browser.code(back)
    options = browser.exchange(code).json["second_factor"]["passkey"]
    assert browser.exchange(code, passkey=owner.key.sign(options)).status_code == 200


def test_a_code_works_once_and_for_its_own_page(browser: Browser) -> None:
    back = browser.come_back(browser.visit_provider(browser.begin(), "sub-8 n8@example.org true"))
    code, own = browser.code(back), browser.verifier
    for verifier in ("x" * 43, None):
        stolen = {"sign_in_code": code, "code_verifier": verifier}
        answer = browser.client.post("/auth/oidc/token", json=stolen)
        assert outcome(answer) == (400, "invalid_code")
    browser.verifier = own
    assert browser.exchange(code).status_code == 200
    assert outcome(browser.exchange(code)) == (400, "invalid_code")


def test_a_state_works_once_and_in_its_own_browser(
    browser: Browser, app, client: FlaskClient
) -> None:
    query = browser.visit_provider(browser.begin(), "sub-9 n9@example.org true")
    another = Browser(app.test_client())
    assert outcome(another.come_back(query)) == (400, "sign_in_failed")
    another.begin()  # it has a cookie, of another sign-in
    assert outcome(another.come_back(query)) == (400, "sign_in_failed")
    assert browser.come_back(query).status_code == 302
    assert outcome(browser.come_back(query)) == (400, "sign_in_failed")


def test_a_refusal_of_the_provider_comes_back_as_an_error(browser: Browser) -> None:
    state = query_of(browser.begin().headers["Location"])["state"]
    back = browser.come_back(f"error=access_denied&state={state}")
    assert back.headers["Location"] == f"{RETURN_TO}?error=sign_in_failed"
    state = query_of(browser.begin().headers["Location"])["state"]
    back = browser.come_back(f"code=made-up&state={state}")
    assert back.headers["Location"] == f"{RETURN_TO}?error=sign_in_failed"
    state = query_of(browser.begin().headers["Location"])["state"]
    back = browser.come_back(f"code=x&state={state}&iss=https://evil.example")
    assert back.headers["Location"] == f"{RETURN_TO}?error=sign_in_failed"


def test_a_step_up_takes_a_login_at_the_provider_just_now(
    browser: Browser, identity: Identity
) -> None:
    begun = browser.begin(reauthenticate="true")
    assert query_of(begun.headers["Location"])["prompt"] == "login"
    back = browser.come_back(browser.visit_provider(begun, "sub-10 n10@example.org true"))
    token = browser.exchange(browser.code(back)).json["data"]["access_token"]
    assert identity.has_stepped_up(identity.verify_access_token(token)) is True
    usual = browser.sign_in("sub-10 n10@example.org true").json["data"]["access_token"]
    assert identity.has_stepped_up(identity.verify_access_token(usual)) is False


def test_the_request_and_its_cookie_keep_the_rules(browser: Browser) -> None:
    begun = browser.begin()
    asked = query_of(begun.headers["Location"])
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert (asked["client_id"], asked["scope"]) == ("octobot", "openid email profile")
    assert len(asked["nonce"]) == len(asked["state"]) == len(asked["code_challenge"]) == 43
    cookie = begun.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=600" in cookie


def test_the_audit_tells_who_signed_in(
    browser: Browser, recorder: Audit, identity: Identity
) -> None:
    browser.sign_in("sub-11 n11@example.org true")
    assert recorder.flush()
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    rows = browser.client.get("/audit", headers=bearer(admin.access_token)).json["data"]
    assert (rows[0]["action"], rows[0]["outcome"], rows[0]["username"]) == (
        "oidc.sign_in",
        "ok",
        "n11@example.org",
    )
