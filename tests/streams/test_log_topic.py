"""LogTopic: bounded lines per second, bounded length, the newest in the snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams import LogTopic
from backend.streams.log_topic import MAX_LINES_PER_SECOND
from tests.streams.live_hub import LiveHub


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, event: Event, journal_number: int | None = None) -> None:
        self.events.append(event)

    def replace_snapshot(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        raise NotImplementedError

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        raise NotImplementedError


def test_a_flood_of_lines_is_cut_and_counted() -> None:
    listener = Listener()
    lines = LogTopic(listener)
    count = 0
    while not any(b"were left out" in event.data for event in listener.events):
        lines.publish_line("noisy", "info", "again")
        count += 1
    shown = [json.loads(event.data)["log"]["text"] for event in listener.events]
    [notice] = [text for text in shown if "were left out" in text]
    assert int(notice.split()[0]) + shown.count("again") == count
    assert shown.index(notice) >= MAX_LINES_PER_SECOND


def test_a_long_line_is_cut() -> None:
    listener = Listener()
    LogTopic(listener).publish_line("noisy", "info", "é" * 10_000)
    assert json.loads(listener.events[0].data)["log"]["text"] == "é" * 2000


def test_the_newest_lines_are_on_show_in_order(live_hub: LiveHub) -> None:
    lines = LogTopic(live_hub.hub)
    for number in range(MAX_LINES_PER_SECOND):
        lines.publish_line("quiet", "info", str(number))
    [snapshot] = live_hub.open("topics=logs").take(1)
    shown = [int(line["log"]["text"]) for line in snapshot.data["data"]]
    assert shown == sorted(shown)
    assert shown[-1] == MAX_LINES_PER_SECOND - 1
