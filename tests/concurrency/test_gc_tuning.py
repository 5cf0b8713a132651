"""What garbage collections look at."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from backend.concurrency.gc_tuning import freeze_startup_objects


class Ring:
    """Something that only a collection can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collections() -> Iterator[None]:
    thresholds, was_settled = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.disable()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    if was_settled:
        gc.freeze()


@pytest.mark.usefixtures("collections")
def test_what_was_there_is_looked_at_only_when_memory_settles_again() -> None:
    old = Ring()
    freeze_startup_objects()
    gone = weakref.ref(old)
    del old
    gc.collect()
    assert gone() is not None
    freeze_startup_objects()
    assert gone() is None


@pytest.mark.usefixtures("collections")
def test_what_came_later_is_collected_as_ever() -> None:
    freeze_startup_objects()
    new = Ring()
    gone = weakref.ref(new)
    del new
    gc.collect()
    assert gone() is None
