"""BotWarnings: what is wrong although the bot runs, by source, as texts for users."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)


class BotWarnings:
    """Present warnings of every source; written on the bot's loop, read from any thread.

    `on_change` is called after each change. A text stays the same for as long as its
    cause does: it is logged when it appears, and published with the bot's state.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._by_source: dict[str, tuple[str, ...]] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """All warnings."""
        sources = self._by_source
        return tuple(text for source in sorted(sources) for text in sources[source])

    def of(self, source: str) -> tuple[str, ...]:
        """Return the warnings of one source."""
        return self._by_source.get(source, ())

    def replace(self, source: str, texts: Sequence[str]) -> None:
        """Replace the warnings of a source."""
        before, after = self.of(source), tuple(texts)
        if before == after:
            return
        self._by_source = {**self._by_source, source: after}
        for text in after:
            if text not in before:
                log.warning("%s", text)
        for text in before:
            if text not in after:
                log.info("no longer: %s", text)
        self._on_change()
