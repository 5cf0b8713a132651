"""JournalledHub: a live hub whose events are committed to a journal first; it can restart."""

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
from tests.streams.live_hub import LiveHub, make_event
from tests.streams.stream_client import WAIT_S, Sse, SseClient


class JournalledHub:
    """Database and journal, which survive a restart, and the hub and outbox of one start."""

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
        return self.live_hub.open(query, **options)

    def publish(self, topic: Topic, key: str, value: int | None, **options: Any) -> None:
        """Commit and publish an event through the outbox."""
        self.put(make_event(topic, key, value, **options))

    def put(self, *events: Event) -> None:
        self.outbox.commit(events=events)

    def settle(self) -> None:
        """Wait until every published event is committed and passed to the hub."""
        self.outbox.flush().result(WAIT_S)

    def close(self) -> None:
        self._stop()
        self.journal.close()
        self.database.close()

    def _start(self) -> None:
        self.live_hub = LiveHub(journal=self.journal, **self._settings)
        self.outbox = Outbox(self.journal, self.live_hub.hub)

    def _stop(self) -> None:
        self.outbox.close()
        self.live_hub.close()


def follow(journalled_hub: JournalledHub, query: str, snapshots: int = 1) -> str:
    """Open a stream, take its beginning, lose it; return the last id."""
    journalled_hub.settle()
    client = journalled_hub.open(query)
    client.take(snapshots)
    client.close()
    assert client.last_id is not None
    return client.last_id


def values(events: list[Sse]) -> list[int]:
    return [event.data["value"] for event in events]


def rename(journalled_hub: JournalledHub, table: str, name: str) -> None:
    with journalled_hub.database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")
