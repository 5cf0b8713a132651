"""Requests: logged in, retried where that is safe, and answered by data or an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from octobot_client.errors import AuthenticationFailed, ConnectionFailed, Unavailable, error_of

BASE = "/api/v1"
TRIES = 3
PAGE = 200
FIRST_PAUSE_S = 0.5
_EARLY_S = 30.0


class Session:
    """A connection pool and whoever is logged in; may be used from any thread.

    With a name and a password it logs in by itself when that is needed, and stays
    logged in; with an API key there is nothing to do.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if api_key is None else {"X-API-Key": api_key}
        self.http = httpx.Client(
            base_url=url.rstrip("/") + BASE, headers=headers, timeout=timeout_s, transport=transport
        )
        self._username, self._password = username, password
        self._logs_in = api_key is None
        self._lock = threading.RLock()
        self._token: str | None = None
        self._token_ends_at = 0.0
        self._refresh_token: str | None = None
        self._device_token: str | None = None

    def login(self, username: str, password: str) -> Mapping[str, Any]:
        """Log in, and keep the name and password for when the session has run out."""
        with self._lock:
            self._username, self._password = username, password
            body = {"username": username, "password": password}
            if self._device_token is not None:  # others' guesses then do not hold this up
                body["device_token"] = self._device_token
            return self._take(self._send("POST", "/auth/login", json=body))

    def logout(self) -> None:
        """End the session on the server."""
        with self._lock:
            body = {} if self._refresh_token is None else {"refresh_token": self._refresh_token}
            if self._token is not None:
                self._send("POST", "/auth/logout", json=body, headers=self._bearer())
            self._token = self._refresh_token = self._username = self._password = None

    def request(
        self,
        method: str,
        path: str,
        *,
        is_safe: bool | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - httpx's own
    ) -> Any:  # noqa: ANN401 - any JSON
        """Ask, and return the whole envelope.

        What `is_safe` (a GET, or a POST with an idempotency key) is tried again when
        the connection breaks or the server is not ready. Raises `ApiError` or `ConnectionFailed`.
        """

        def ask(authorization: Mapping[str, str]) -> httpx.Response:
            return self._send(method, path, headers={**(headers or {}), **authorization}, **options)

        tries = TRIES if (method == "GET" if is_safe is None else is_safe) else 1
        for pause_s in (FIRST_PAUSE_S * 2**number for number in range(tries - 1)):
            try:
                return self._authorized(ask).json()
            except (ConnectionFailed, Unavailable) as error:
                time.sleep(getattr(error, "retry_after_s", None) or pause_s)
        return self._authorized(ask).json()

    def pages(self, path: str, params: Mapping[str, str], page_size: int = PAGE) -> Iterator[Any]:
        """Yield a list's items, fetching a page when the one before is used up."""
        here = {**params, "limit": str(page_size)}
        while True:
            envelope = self.request("GET", path, params=here)
            yield from envelope["data"]
            cursor = envelope["pagination"]["next_cursor"]
            if cursor is None:
                return
            here.pop("after", None)  # the cursor says it all
            here["cursor"] = cursor

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], silence_s: float
    ) -> Iterator[httpx.Response]:
        """Open an endless answer, whose silence for so long is a broken connection."""
        timeout = httpx.Timeout(self.http.timeout.connect, read=silence_s)

        def ask(authorization: Mapping[str, str]) -> httpx.Response:
            request = self.http.build_request(
                "GET",
                path,
                params=dict(params),
                headers={**headers, **authorization},
                timeout=timeout,
            )
            answer = self.http.send(request, stream=True)
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            return answer

        try:
            answer = self._authorized(ask)
            try:
                yield answer
            finally:
                answer.close()
        except httpx.TransportError as error:
            raise ConnectionFailed(str(error) or type(error).__name__) from error

    def renew(self) -> None:
        """Let the next request begin with another token."""
        with self._lock:
            self._token = None

    def close(self) -> None:
        """Close the connections; the session on the server stays."""
        self.http.close()

    def _authorized(self, ask: Callable[[Mapping[str, str]], httpx.Response]) -> httpx.Response:
        if not self._logs_in:
            return ask({})
        token = self._valid_token()
        try:
            return ask({"Authorization": f"Bearer {token}"})
        except AuthenticationFailed:
            with self._lock:
                if self._token == token:  # nobody else has renewed it meanwhile
                    self._token = None
            return ask({"Authorization": f"Bearer {self._valid_token()}"})

    def _valid_token(self) -> str:
        with self._lock:
            if self._token is None or time.monotonic() > self._token_ends_at:
                self._begin_anew()
            if self._token is None:
                raise ConnectionFailed("the server gave no token")
            return self._token

    def _begin_anew(self) -> None:
        """Trade the refresh token in, or, when it is no longer good, log in again."""
        spent, self._refresh_token, self._token = self._refresh_token, None, None
        try:
            if spent is not None:
                self._take(self._send("POST", "/auth/refresh", json={"refresh_token": spent}))
                return
        except AuthenticationFailed:
            if self._username is None:
                raise
        if self._username is None or self._password is None:
            raise ConnectionFailed("nobody is logged in: call login, or give a name and password")
        self.login(self._username, self._password)

    def _take(self, answer: httpx.Response) -> Mapping[str, Any]:
        tokens: Mapping[str, Any] = answer.json()["data"]
        life_s = float(tokens["expires_in"])
        self._token = tokens["access_token"]
        self._refresh_token = tokens["refresh_token"]
        self._device_token = tokens.get("device_token") or self._device_token
        self._token_ends_at = time.monotonic() + max(life_s - _EARLY_S, life_s / 2)
        return tokens

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ConnectionFailed(str(error) or type(error).__name__) from error
        if answer.is_error:
            raise error_of(answer)
        return answer
