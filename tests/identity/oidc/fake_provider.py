"""A provider that answers what a test wants, on a port of this machine."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import Key, RSAKey

Answer = tuple[int, dict[str, str], bytes]


class FakeProvider:
    """Serves discovery, keys and tokens; `answers` replaces what a path gives."""

    def __init__(self) -> None:
        self.key: Key = RSAKey.generate_key(2048, {"kid": "one"})
        self.keys = [self.key.as_dict(private=False)]
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.asked: Counter[str] = Counter()
        self.forms: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.id_token = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> FakeProvider:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "octobot",
            "sub": "someone",
            "iat": now,
            "exp": now + 300,
            "email": "someone@example.org",
            "email_verified": True,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def sign(self, claims: dict[str, Any], key: Key | None = None, **header: Any) -> str:
        key = key or self.key
        return jwt.encode({"alg": "RS256", "kid": "one", **header}, claims, key)

    def _answer(self, path: str) -> Answer:
        if path in self.answers:
            return self.answers[path]()
        content: object = {"error": "not_found"}
        if path == "/.well-known/openid-configuration":
            content = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.metadata,
            }
        elif path == "/keys":
            content = {"keys": self.keys}
        elif path == "/token":
            content = {"access_token": "a", "token_type": "Bearer", "id_token": self.id_token}
        return 200, {}, json.dumps(content).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send()

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                provider.forms.append(self.rfile.read(length).decode())
                self._send()

            def _send(self) -> None:
                provider.asked[self.path] += 1
                status, headers, content = provider._answer(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
