"""Read models: serialized responses, rebuilt on the bot's loop after changes, read anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from backend.bridge.read_models.envelopes import etag_of, serialize
from backend.ports.serialized import SerializedResponse


@dataclass
class _Model:
    build: Callable[[], bytes | None]
    interval_s: float
    data: bytes = b""
    response: SerializedResponse | None = None
    timer: asyncio.TimerHandle | None = field(default=None)


class ReadModels:
    """Named models, each rebuilt at most once in its interval, or at once by `refresh`."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}

    def define(self, name: str, build: Callable[[], bytes | None], *, interval_s: float) -> None:
        """Add a model; `build` runs on the loop and returns None while there is no content yet."""
        self._models[name] = _Model(build, interval_s)

    def get(self, name: str) -> SerializedResponse | None:
        """Return the newest response, or None before the first build."""
        return self._models[name].response

    def data(self, name: str) -> bytes:
        """Return the newest content, without its envelope."""
        return self._models[name].data

    def mark(self, name: str) -> None:
        """Schedule a rebuild within the model's interval. Loop only."""
        model = self._models[name]
        if model.timer is None:
            loop = asyncio.get_running_loop()
            model.timer = loop.call_later(model.interval_s, self.refresh, name)

    def refresh(self, name: str) -> None:
        """Rebuild now, so that a change just made can be read. Loop only."""
        model = self._models[name]
        if model.timer is not None:
            model.timer.cancel()
            model.timer = None
        data = model.build()
        if data is None or data == model.data:
            return
        model.data = data
        model.response = serialize(data, etag_of(data))

    def clear(self) -> None:
        """Drop the timers of a loop that has ended."""
        for model in self._models.values():
            if model.timer is not None:
                model.timer.cancel()
                model.timer = None
