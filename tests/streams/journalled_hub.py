"""A hub with a journal behind it, as in life: committed first, then published; it can restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.bridge.ledger.outbox import Outbox
from backend.concurrency.host import ThreadHost
from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.store import Database
from backend.store.journal import Journal
from tests.databases import make_settings
from tests.streams.live_hub import Live, make_event
from tests.streams.stream_client import WAIT_S, SseClient


class House:
    """What survives a restart, and the hub and recorder of the present start."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.database = Database(make_settings(folder), ThreadHost())
        self.database.upgrade()
        self.journal = Journal(self.database)
        self._settings = settings
        self._start()

    def restart(self, **settings: Any) -> None:
        """End the present start and begin another."""
        self._stop()
        self._settings |= settings
        self._start()

    def open(self, query: str, **options: Any) -> SseClient:
        return self.live.open(query, **options)

    def publish(self, topic: Topic, key: str, value: int | None, **options: Any) -> None:
        """Have the recorder commit and publish an event."""
        self.put(make_event(topic, key, value, **options))

    def put(self, *events: Event) -> None:
        self.recorder.commit(events=events)

    def settle(self) -> None:
        """Wait until all that was published is committed and with the hub."""
        self.recorder.flush().result(WAIT_S)

    def close(self) -> None:
        self._stop()
        self.journal.close()
        self.database.close()

    def _start(self) -> None:
        self.live = Live(journal=self.journal, **self._settings)
        self.recorder = Outbox(self.journal, self.live.hub)

    def _stop(self) -> None:
        self.recorder.close()
        self.live.close()
