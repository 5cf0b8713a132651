"""Pages that are handed out again until their list changes."""

from __future__ import annotations

from backend.bridge.read_models.page_cache import MAX_BYTES, PageCache
from backend.ports.serialized import SerializedResponse


def page(text: str) -> SerializedResponse:
    return SerializedResponse(text.encode(), f'"{text}"')


def test_a_page_is_built_once_per_version_and_query() -> None:
    pages = PageCache()
    first = pages.get(1, "open", lambda: page("open at 1"))
    assert pages.get(1, "open", lambda: page("built again")) is first
    assert pages.get(1, "all", lambda: page("all at 1")).body == b"all at 1"
    assert pages.get(2, "open", lambda: page("open at 2")).body == b"open at 2"


def test_a_page_built_while_the_list_changes_is_not_taken_for_the_newer_one() -> None:
    pages = PageCache()

    def build() -> SerializedResponse:
        pages.get(2, "other", lambda: page("a reader of the newer version came in between"))
        return page("begun at 1")

    assert pages.get(1, "open", build).body == b"begun at 1"
    assert pages.get(2, "open", lambda: page("open at 2")).body == b"open at 2"


def test_pages_are_forgotten_before_they_fill_the_memory() -> None:
    pages = PageCache()
    large = SerializedResponse(b"x" * (MAX_BYTES // 3), '"large"')
    for number in range(4):
        pages.get(1, number, lambda: large)
    assert pages.get(1, 0, lambda: page("built again")).body == b"built again"
