"""HTTP to an OpenID provider: bounded in time, size and number; no redirects, HTTPS only."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Any

import httpx
import structlog

from backend.errors import ProviderUnavailable
from backend.settings.sign_in import is_safe_url

MOST_AT_ONCE = 4
"""Further requests are refused: they hold threads that the database needs too."""

MAX_BYTES = 256 * 1024
_TIMEOUT = httpx.Timeout(5, connect=3)
_DEADLINE_S = 10
_RETRY_S = 10
_log = structlog.get_logger(__name__)


class ProviderHttp:
    """Sends requests and returns JSON objects. All methods block the calling thread."""

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)

    def get(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL; raises `ProviderUnavailable`."""
        status, content = self._send("GET", url, {}, None)
        if status != 200:
            raise unavailable(f"answered {status}")
        return content

    def post(self, url: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, Any]]:
        """Post a form; return the status and the JSON object, also of a refusal (4xx).

        Raises `ProviderUnavailable`.
        """
        status, content = self._send("POST", url, headers, body)
        if status != 200 and not 400 <= status < 500:
            raise unavailable(f"answered {status}")
        return status, content

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: str | None
    ) -> tuple[int, dict[str, Any]]:
        if not is_safe_url(url):
            raise unavailable("has an address without HTTPS")
        if not self._slots.acquire(blocking=False):
            raise unavailable("is being asked by too many at once")
        own = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            with httpx.Client(timeout=_TIMEOUT) as client:
                request = client.build_request(method, url, headers=own | headers, content=body)
                response = client.send(request, stream=True)
                with contextlib.closing(response):
                    return response.status_code, _object(_read(response))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unavailable(f"cannot be reached ({type(error).__name__})") from None
        finally:
            self._slots.release()


def _read(response: httpx.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise unavailable("compresses its answer, which was not asked for")
    deadline = time.monotonic() + _DEADLINE_S
    content = b""
    for part in response.iter_raw():
        content += part
        if len(content) > MAX_BYTES or time.monotonic() > deadline:
            raise unavailable("sends too much or too slowly")
    return content


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise unavailable("answered no JSON object")
    return found


def unavailable(reason: str) -> ProviderUnavailable:
    """Log and return the error of a provider that fails."""
    _log.warning("the OpenID provider fails", reason=reason)
    return ProviderUnavailable(f"the OpenID provider {reason}", retry_after_s=_RETRY_S)
