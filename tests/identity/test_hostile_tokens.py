"""Forged, malformed, expired and foreign tokens are refused."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import datetime, timezone

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import example, given, strategies
from hypothesis import settings as hypothesis_settings

from backend.errors import InvalidToken, TokenExpired
from backend.identity import Identity
from backend.identity.roles import ALL_SCOPES
from backend.identity.signing_keys import signing_keys
from backend.identity.tokens import AUDIENCE, ISSUER, AccessTokens
from backend.schemas.auth import Tokens, User
from backend.settings.model import Settings
from tests.identity_app import SECRET

Forge = Callable[..., str]


def encoded(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def forge(settings: Settings, tokens: Tokens) -> Forge:
    """Sign the claims of a valid token anew, changed; a claim given as None is left out."""

    def sign(
        *,
        key: str = SECRET,
        algorithm: str = "HS256",
        header: dict[str, object] | None = None,
        **changes: object,
    ) -> str:
        claims = {**decoded(tokens.access_token), **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"kid": signing_keys(settings)[0].id} if header is None else header
        # the layer below jwt.encode, which would refuse to write some of these claims
        return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm, headers=headers)

    return sign


def refused(identity: Identity, token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        identity.verify_access_token(token)
    return caught.value.type


def test_the_forge_makes_valid_tokens_when_nothing_is_changed(
    identity: Identity, forge: Forge
) -> None:
    assert identity.verify_access_token(forge()).username == "trader"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"iss": [ISSUER]},
        {"aud": "another-api"},
        {"aud": ["another-api", "yet-another"]},
        {"role": "owner"},
        {"role": ["admin"]},
        {"role": "admin"},
        {"sub": "nobody"},
        {"sub": 7},
        {"sid": 7},
        {"jti": 7},
        {"scope": ["orders:write"]},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1e300},
        {"iat": "yesterday"},
        {"nbf": 4102444800},
    ],
)
def test_claims_that_do_not_fit_are_refused(
    identity: Identity, forge: Forge, changes: dict[str, object]
) -> None:
    assert refused(identity, forge(**changes)) in ("invalid_token", "token_expired")


@pytest.mark.parametrize(
    "claim", ["iss", "aud", "exp", "iat", "jti", "sub", "sid", "role", "scope", "name"]
)
def test_no_claim_may_be_missing(identity: Identity, forge: Forge, claim: str) -> None:
    assert refused(identity, forge(**{claim: None})) == "invalid_token"


def test_a_scope_that_the_role_lacks_is_not_granted(identity: Identity, forge: Forge) -> None:
    greedy = forge(scope=" ".join(sorted(ALL_SCOPES)))
    assert "orders:write" in identity.verify_access_token(greedy).scopes
    assert identity.verify_access_token(greedy).scopes.isdisjoint({"config:write", "users:write"})


def test_a_narrower_scope_stays_narrow(identity: Identity, forge: Forge) -> None:
    assert identity.verify_access_token(forge(scope="orders:read")).scopes == {"orders:read"}


def test_another_key_is_refused(identity: Identity, forge: Forge) -> None:
    assert refused(identity, forge(key="another secret of sufficient length")) == "invalid_token"


@pytest.mark.parametrize("header", [{}, {"kid": "0" * 16}, {"kid": "../../secret.key"}])
def test_another_key_id_is_refused(
    identity: Identity, forge: Forge, header: dict[str, object]
) -> None:
    assert refused(identity, forge(header=header)) == "invalid_token"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_the_algorithm_is_pinned(identity: Identity, forge: Forge, algorithm: str) -> None:
    assert refused(identity, forge(algorithm=algorithm)) == "invalid_token"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 5, ["HS256"]])
@pytest.mark.parametrize("keeps_signature", [True, False])
def test_alg_none_is_refused(
    identity: Identity, tokens: Tokens, algorithm: object, keeps_signature: bool
) -> None:
    _, payload, signature = tokens.access_token.split(".")
    header = encoded({"alg": algorithm, "typ": "JWT"})
    forged = f"{header}.{payload}.{signature if keeps_signature else ''}"
    assert refused(identity, forged) == "invalid_token"


def test_a_public_key_is_no_hmac_secret(identity: Identity, tokens: Tokens) -> None:
    private = rsa.generate_private_key(65537, 2048)
    signed = jwt.encode(decoded(tokens.access_token), private, "RS256")
    assert refused(identity, signed) == "invalid_token"
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _, payload, _ = signed.split(".")
    forged = encoded({"alg": "HS256", "typ": "JWT"})
    digest = jwt.get_algorithm_by_name("HS256").sign(f"{forged}.{payload}".encode(), public)
    assert refused(identity, f"{forged}.{payload}.{encoded(digest)}") == "invalid_token"


def test_a_key_brought_along_in_the_header_is_ignored(identity: Identity, forge: Forge) -> None:
    attacker = "a key that the attacker chose freely"
    jwk = {"kty": "oct", "k": encoded(attacker.encode())}
    for header in ({"jwk": jwk}, {"jku": "https://attacker.example/keys"}, {"x5c": ["x"]}):
        assert refused(identity, forge(key=attacker, header=header)) == "invalid_token"


def test_a_changed_payload_is_refused(identity: Identity, tokens: Tokens) -> None:
    header, payload, signature = tokens.access_token.split(".")
    claims = decoded(tokens.access_token) | {"role": "admin"}
    assert encoded(claims) != payload
    assert refused(identity, f"{header}.{encoded(claims)}.{signature}") == "invalid_token"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "garbage",
        "a.b.c",
        "ey.ey.ey",
        "é.ü.ß",
        "\x00.\x00.\x00",
        "Bearer",
        "null",
        "x" * 2048,
        "x" * 10_000_000,
        ".".join(["x" * 600] * 3),
        encoded(b"[" * 1500) + ".e30.x",
        encoded({"alg": "HS256", "crit": ["b64"], "b64": False}) + "..x",
        encoded({"alg": "HS256", "zip": "DEF"}) + ".e30.x",
    ],
)
def test_garbage_is_refused(identity: Identity, token: str) -> None:
    assert refused(identity, token) == "invalid_token"


def test_a_huge_token_is_refused(identity: Identity, tokens: Tokens) -> None:
    huge = tokens.access_token + "x" * 50_000_000
    assert refused(identity, huge) == "invalid_token"


@given(text=strategies.text(strategies.characters(), max_size=300))
@example(text="eyJhbGciOiJIUzI1NiJ9.e30.")
@hypothesis_settings(max_examples=300, deadline=None)
def test_no_text_is_a_token_by_chance(text: str) -> None:
    with pytest.raises(InvalidToken):
        READER.verify(text)


@given(position=strategies.integers(0, 10_000), character=strategies.characters())
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_token_with_one_character_changed_is_refused(position: int, character: str) -> None:
    place = position % len(GENUINE)
    changed = GENUINE[:place] + character + GENUINE[place + 1 :]
    if changed == GENUINE:
        assert READER.verify(changed).user_id == "u1"
    else:
        with pytest.raises(InvalidToken):
            READER.verify(changed)


def test_an_expired_token_says_so_however_often_it_was_read(
    identity: Identity, tokens: Tokens
) -> None:
    principal = identity.verify_access_token(tokens.access_token)
    with time_machine.travel(time.time() + tokens.expires_in - 2):
        assert identity.verify_access_token(tokens.access_token) == principal
        assert identity.is_active(principal) is True
    with time_machine.travel(time.time() + tokens.expires_in + 1):
        for _ in range(2):
            with pytest.raises(TokenExpired):
                identity.verify_access_token(tokens.access_token)
        assert identity.is_active(principal) is False


def test_an_expired_token_is_refused_without_ever_having_been_read(
    identity: Identity, forge: Forge
) -> None:
    now = int(time.time())
    with pytest.raises(TokenExpired):
        identity.verify_access_token(forge(iat=now - 100, exp=now))


def test_a_token_of_another_server_is_refused(identity: Identity, tokens: Tokens) -> None:
    other = AccessTokens(signing_keys(_settings_with("another secret of sufficient length")), 60)
    with pytest.raises(InvalidToken):
        other.verify(tokens.access_token)


def test_the_claims_are_those_of_the_contract(settings: Settings, tokens: Tokens) -> None:
    claims = decoded(tokens.access_token)
    assert " ".join(sorted(claims)) == "aud auth_time exp iat iss jti name role scope sid sub"
    assert (claims["iss"], claims["aud"], claims["role"]) == (ISSUER, AUDIENCE, "trader")
    assert claims["sub"] == tokens.user.id
    assert claims["auth_time"] == claims["iat"]
    assert str(claims["scope"]).split() == tokens.user.scopes
    assert jwt.get_unverified_header(tokens.access_token) == {
        "alg": "HS256",
        "typ": "JWT",
        "kid": signing_keys(settings)[0].id,
    }


def _settings_with(secret: str) -> Settings:
    return Settings(_env_file=None, secret_key=secret)


READER = AccessTokens(signing_keys(_settings_with(SECRET)), 3600)
GENUINE = READER.issue(
    User(
        id="u1",
        username="trader",
        role="trader",
        scopes=["orders:read"],
        email=None,
        name=None,
        phone=None,
        status="active",
        disabled=False,
        is_admin=False,
        referral_code="abcd2345efgh",
        invited_by=None,
        must_change_password=False,
        second_factor=False,
        created_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
    ),
    "s1",
    fresh=True,
)
