"""A browser that signs in: it carries the redirects between this server and the provider."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

RETURN_TO = "https://app.example.org/signed-in"


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class Browser:
    """One browser with its cookies; `verifier` is the secret of the page that signs in."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.verifier = secrets.token_urlsafe(32)

    def begin(self, **changes: Any) -> TestResponse:
        query = {
            "return_to": RETURN_TO,
            "code_challenge": create_s256_code_challenge(self.verifier),
            **changes,
        }
        return self.client.get(f"/auth/oidc/login?{urlencode(query)}")

    def visit_provider(self, begun: TestResponse, hint: str) -> str:
        """Log in at the certified provider, and return the query that it sends back."""
        assert begun.status_code == 302, begun.text
        url = f"{begun.headers['Location']}&{urlencode({'login_hint': hint})}"
        with httpx.Client(timeout=60) as client:
            for _ in range(10):
                answer = client.get(url)
                assert answer.status_code in (302, 303), answer.text
                url = str(answer.url.join(answer.headers["Location"]))
                if urlsplit(url).path.endswith("/callback"):
                    return urlsplit(url).query
        raise AssertionError(url)

    def come_back(self, query: str) -> TestResponse:
        return self.client.get(f"/auth/oidc/callback?{query}")

    def code(self, back: TestResponse) -> str:
        assert back.status_code == 302, back.text
        assert back.headers["Location"].startswith(f"{RETURN_TO}?")
        return query_of(back.headers["Location"])["sign_in_code"]

    def exchange(self, sign_in_code: str, /, **more: object) -> TestResponse:
        body = {"sign_in_code": sign_in_code, "code_verifier": self.verifier, **more}
        return self.client.post("/auth/oidc/token", json=body)

    def sign_in(self, hint: str, **more: object) -> TestResponse:
        """Do it all at the certified provider; the hint is `sub email verified`."""
        return self.exchange(
            self.code(self.come_back(self.visit_provider(self.begin(), hint))), **more
        )
