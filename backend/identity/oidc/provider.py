"""OpenID provider: discovery, authorization requests, code exchange, and checks of ID tokens."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from backend.errors import InvalidIdToken, SignInFailed
from backend.identity.oidc.claims import Claims, check_claims
from backend.identity.oidc.provider_http import ProviderHttp, unavailable
from backend.settings.model import Settings
from backend.settings.sign_in import is_safe_url

KEPT_S = 3600.0
REFETCH_S = 60.0
MAX_ID_TOKEN_LENGTH = 8192
# signatures alone: with HS256 the public key, or with "none" nothing, would be enough to forge
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_DISCOVERY = "/.well-known/openid-configuration"
_UNREADABLE = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Client(NamedTuple):
    """This server at the provider."""

    id: str
    secret: str | None
    scopes: tuple[str, ...]
    redirect_uri: str
    audiences: frozenset[str]


class Metadata(NamedTuple):
    """Endpoints of a provider."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    takes_basic: bool


class Provider:
    """One OpenID provider. All methods block the calling thread; many may call at once."""

    def __init__(
        self, settings: Settings, redirect_uri: str, *, refetch_s: float = REFETCH_S
    ) -> None:
        secret = settings.oidc_client_secret
        self.issuer = settings.oidc_issuer or ""
        self.client = Client(
            id=settings.oidc_client_id or "",
            secret=secret.get_secret_value() if secret else None,
            scopes=settings.oidc_scopes,
            redirect_uri=redirect_uri,
            audiences=frozenset({settings.oidc_client_id or "", *settings.oidc_audiences}),
        )
        self._refetch_s = refetch_s
        self._http = ProviderHttp()
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._keys_asked_at = 0.0

    def authorization_url(
        self, state: str, nonce: str, code_verifier: str, *, reauthenticate: bool
    ) -> str:
        """Return where a browser signs in; raises `ProviderUnavailable`."""
        more = {"prompt": "login", "max_age": "0"} if reauthenticate else {}
        url: str = prepare_grant_uri(
            self._discovered().authorization_endpoint,
            client_id=self.client.id,
            response_type="code",
            redirect_uri=self.client.redirect_uri,
            scope=" ".join(self.client.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(code_verifier),
            code_challenge_method="S256",
            **more,
        )
        return url

    def exchange(self, code: str, nonce: str, code_verifier: str) -> Claims:
        """Exchange an authorization code for an ID token and return its verified claims.

        Raises `SignInFailed`, `InvalidIdToken` and `ProviderUnavailable`.
        """
        metadata = self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": code_verifier,
        }
        url, headers, body = self._authenticated(metadata, form)
        status, answer = self._http.post(url, headers, body)
        id_token = answer.get("id_token")
        if status != 200 or not isinstance(id_token, str):
            raise SignInFailed("the provider refuses its code, or gave no ID token for it")
        # a token of this flow is for this server alone
        return self.verify(id_token, nonce, frozenset({self.client.id}))

    def verify(self, id_token: str, nonce: str, audiences: frozenset[str] | None = None) -> Claims:
        """Return the claims of an ID token: signature, issuer, audience, times and nonce are right.

        Raises `InvalidIdToken` and `ProviderUnavailable`.
        """
        claims = self._signed_claims(id_token)
        found = check_claims(claims, self.issuer, audiences or self.client.audiences)
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise InvalidIdToken("the ID token has another nonce")
        return found

    def _signed_claims(self, id_token: str) -> dict[str, Any]:
        if len(id_token) > MAX_ID_TOKEN_LENGTH or not id_token.isascii():
            raise InvalidIdToken("the ID token is too long, or not one")
        token = id_token.encode()
        try:
            header = jws.extract_compact(token).headers()
        except _UNREADABLE:
            raise InvalidIdToken("the ID token cannot be read") from None
        if header.get("alg") not in ALGORITHMS:
            raise InvalidIdToken("the ID token has an algorithm that is not accepted")
        keys = self._key_set(header.get("kid"))
        try:
            payload = jws.deserialize_compact(token, keys, algorithms=ALGORITHMS).payload
            claims: object = json.loads(payload)
        except _UNREADABLE:
            raise InvalidIdToken("the ID token has no signature of the provider's keys") from None
        if not isinstance(claims, dict):
            raise InvalidIdToken("the ID token cannot be read")
        return claims

    def _key_set(self, key_id: object) -> KeySet:
        """Return the provider's keys; for an unknown id they are fetched anew, once a minute."""
        with self._lock:
            kept, now = self._keys, time.monotonic()
            if kept is not None and now - kept[0] < KEPT_S:
                is_known = key_id is None or any(key.kid == key_id for key in kept[1])
                if is_known or now - self._keys_asked_at < self._refetch_s:
                    return kept[1]
            self._keys_asked_at = now
        fetched = self._http.get(self._discovered().jwks_uri)
        try:
            keys: KeySet = KeySet.import_key_set(_public_keys(fetched))
        except _UNREADABLE:
            raise unavailable("has keys that cannot be read") from None
        with self._lock:
            self._keys = time.monotonic(), keys
        return keys

    def _discovered(self) -> Metadata:
        with self._lock:
            kept = self._metadata
        if kept is not None and time.monotonic() - kept[0] < KEPT_S:
            return kept[1]
        metadata = _read_metadata(self._http.get(self.issuer.rstrip("/") + _DISCOVERY), self.issuer)
        with self._lock:
            self._metadata = time.monotonic(), metadata
        return metadata

    def _authenticated(
        self, metadata: Metadata, form: dict[str, str]
    ) -> tuple[str, dict[str, str], str]:
        """Return URL, headers and body of a form with the client's authentication."""
        method = "none"
        if self.client.secret is not None:
            method = "client_secret_basic" if metadata.takes_basic else "client_secret_post"
        auth = ClientAuth(self.client.id, self.client.secret, method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        prepare: Callable[..., tuple[str, dict[str, str], str]] = auth.prepare
        return prepare("POST", metadata.token_endpoint, headers, urlencode(form))


def _read_metadata(found: dict[str, Any], issuer: str) -> Metadata:
    if found.get("issuer") != issuer:
        raise unavailable("calls itself by another issuer")
    endpoints = [found.get(name) for name in Metadata._fields[:3]]
    if not all(isinstance(url, str) and is_safe_url(url) for url in endpoints):
        raise unavailable("lacks an endpoint with HTTPS")
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    authorization, token, keys = map(str, endpoints)
    return Metadata(authorization, token, keys, "client_secret_basic" in methods)


def _public_keys(found: dict[str, Any]) -> Any:  # noqa: ANN401 - what joserfc takes
    """Return the keys that signatures are verified with: neither shared secrets nor encryption."""
    kinds = ("RSA", "EC", "OKP")
    keys = [key for key in found["keys"] if key["kty"] in kinds and key.get("use") != "enc"]
    return {"keys": keys}
