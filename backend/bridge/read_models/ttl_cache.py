"""Cache of responses with a time to live; of many callers, one refreshes a stale entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from backend.bridge.read_models.envelopes import etag_of, serialize
from backend.ports.serialized import SerializedResponse

MAX_ENTRIES = 256
_STALE_FOR_S = 2.0


@dataclass(slots=True)
class _Entry:
    data: bytes
    response: SerializedResponse
    expires_at: float


class TtlCache:
    """Caches the last response of each key for `fresh_s`.

    While one caller refreshes an entry, others get the stale one for two seconds
    more. A response whose content is the same keeps its ETag and its timestamp.
    """

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._entries: dict[Hashable, _Entry] = {}

    def get(self, key: Hashable, fetch: Callable[[], bytes]) -> SerializedResponse:
        """Return the response of a key; an error of `fetch` also drops the stale entry."""
        now, entries = time.monotonic(), self._entries
        cached = entries.get(key)
        if cached is not None:
            if now < cached.expires_at:
                return cached.response
            cached.expires_at = now + _STALE_FOR_S
        try:
            data = fetch()
        except BaseException:
            entries.pop(key, None)
            raise
        if cached is None or data != cached.data:
            cached = _Entry(data, serialize(data, etag_of(data)), now)
        cached.expires_at = time.monotonic() + self._fresh_s
        if len(entries) >= MAX_ENTRIES:
            entries.clear()
        # `clear` replaced the dictionary meanwhile: this response is too old to be cached
        entries[key] = cached
        return cached.response

    def clear(self) -> None:
        """Drop all entries, after a change of their data."""
        self._entries = {}
