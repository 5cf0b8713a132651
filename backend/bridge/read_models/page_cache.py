"""Pages of a list that are handed out again for as long as the list has not changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from backend.ports.serialized import SerializedResponse

MOST_BYTES = 8 * 1024 * 1024


class PageCache:
    """The pages of one version of a list; those of another version take their place.

    Threads that change it at the same time lose a page at worst: it is built again.
    """

    def __init__(self) -> None:
        self._version = -1
        self._kept: dict[Hashable, SerializedResponse] = {}
        self._room = MOST_BYTES

    def get(
        self, version: int, query: Hashable, build: Callable[[], SerializedResponse]
    ) -> SerializedResponse:
        """Return the page that answers a query; `build` makes it if it is not here.

        The version must have been read before the list is.
        """
        if version != self._version:
            self._clear(version)
        kept, key = self._kept, (version, query)
        page = kept.get(key)
        if page is None:
            page = kept[key] = build()
            self._room -= len(page.body)
            if self._room < 0:
                self._clear(version)
        return page

    def _clear(self, version: int) -> None:
        # a new dictionary: whoever builds a page of the old version fills the old one
        self._kept, self._room = {}, MOST_BYTES
        self._version = version
