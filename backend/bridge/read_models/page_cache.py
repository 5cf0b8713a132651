"""Cache of a list's serialized pages, valid for one version of the list."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from backend.ports.serialized import SerializedResponse

MAX_BYTES = 8 * 1024 * 1024


class PageCache:
    """Caches the pages of one version of a list, at most `MAX_BYTES` of them.

    Threads that change it at the same time lose a page at worst: it is built again.
    """

    def __init__(self) -> None:
        self._version = -1
        self._cached: dict[Hashable, SerializedResponse] = {}
        self._room = MAX_BYTES

    def get(
        self, version: int, query: Hashable, build: Callable[[], SerializedResponse]
    ) -> SerializedResponse:
        """Return the page of a query; `build` makes it if it is not cached.

        The version must be read before the list.
        """
        if version != self._version:
            self._clear(version)
        cached, key = self._cached, (version, query)
        page = cached.get(key)
        if page is None:
            page = cached[key] = build()
            self._room -= len(page.body)
            if self._room < 0:
                self._clear(version)
        return page

    def _clear(self, version: int) -> None:
        # a new dictionary: a thread that still builds a page of the old version fills the old one
        self._cached, self._room = {}, MAX_BYTES
        self._version = version
