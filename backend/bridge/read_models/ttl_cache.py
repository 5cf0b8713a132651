"""Answers that are asked for anew when they have become old, by one caller for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from backend.bridge.read_models.envelopes import etag_of, serialize
from backend.ports.serialized import SerializedResponse

MOST_KEPT = 256
_MEANWHILE_S = 2.0


@dataclass(slots=True)
class _Answer:
    data: bytes
    prepared: SerializedResponse
    old_at: float


class TtlCache:
    """The last answer to each question; it may be handed out for `fresh_s`.

    While somebody asks anew, others get the old answer for two seconds more.
    What stayed the same keeps its ETag and its timestamp.
    """

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._answers: dict[Hashable, _Answer] = {}

    def get(self, question: Hashable, ask: Callable[[], bytes]) -> SerializedResponse:
        """Return the answer; what `ask` raises ends the old one too."""
        now, answers = time.monotonic(), self._answers
        known = answers.get(question)
        if known is not None:
            if now < known.old_at:
                return known.prepared
            known.old_at = now + _MEANWHILE_S
        try:
            data = ask()
        except BaseException:
            answers.pop(question, None)
            raise
        if known is None or data != known.data:
            known = _Answer(data, serialize(data, etag_of(data)), now)
        known.old_at = time.monotonic() + self._fresh_s
        if len(answers) >= MOST_KEPT:
            answers.clear()
        # if it was forgotten meanwhile, this one was asked for too early to be kept
        answers[question] = known
        return known.prepared

    def forget(self) -> None:
        """Have everything asked anew: it has changed."""
        self._answers = {}
