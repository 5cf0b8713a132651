"""Property test: across restarts and crashes no client misses or repeats an event.

A real hub on sockets, a real outbox and a real journal. `StreamChecker` knows the protocol
and nothing else; the runner knows what was committed, and compares with each event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.ports.events import Event
from backend.ports.journal import Batch, JournalEvent
from backend.schemas.common import utc_now
from backend.schemas.topics import JOURNALLED, Topic
from backend.streams.sse import parse_event_id
from tests.streams.journalled_hub import JournalledHub
from tests.streams.stream_client import Sse, SseClient, wait_until

BTC, ETH = "BTC/USDT", "ETH/USDT"
CHOICES: tuple[tuple[tuple[Topic, ...], str | None], ...] = (
    (("orders", "trades", "portfolio", "prices"), None),
    (("orders", "trades"), ETH),
    (("prices", "orders"), None),
    (("trades",), BTC),
)
SMALL_BUFFER = 4096
State = dict[str, dict[str, int]]


@dataclass
class Committed:
    """A journalled event: its number in the journal and what it is about."""

    number: int
    topic: str
    symbol: str | None


class Server:
    """The journalled_hub, what it has committed, and each topic as it stands."""

    def __init__(self, journalled_hub: JournalledHub) -> None:
        self.journalled_hub = journalled_hub
        self.numbers = journalled_hub.journal.last_event_sequence()
        self.committed: list[Committed] = []
        self.state: dict[str, dict[str, tuple[str | None, int]]] = {}
        self.value = 0

    def event(self, topic: Topic, number: int, *, ends: bool = False, pad: int = 0) -> Event:
        """Make the next event, and take it in."""
        self.value += 1
        symbol = None if topic == "portfolio" else (BTC, ETH)[number % 2]
        key = topic if topic in ("portfolio",) else f"{symbol} {number}"
        if topic == "trades":
            key = f"t{self.value}"
        data = {"key": key, "value": self.value, "ends": ends, "pad": "x" * pad}
        raw = json.dumps(data).encode()
        if topic in JOURNALLED:
            self.numbers += 1
            self.committed.append(Committed(self.numbers, topic, symbol))
        items = self.state.setdefault(topic, {})
        if ends:
            items.pop(key, None)
        else:
            items[key] = (symbol, self.value)
        return Event(topic, f"{topic}_told", key, symbol, raw, None if ends else raw)

    def begin(self, **settings: Any) -> None:
        """Restart; what is not in the journal is unknown to the new start."""
        self.journalled_hub.restart(**settings)
        self.state = {t: items for t, items in self.state.items() if t in JOURNALLED}
        for topic in ("orders", "trades"):
            items = {
                key: (symbol, json.dumps({"key": key, "value": value}).encode())
                for key, (symbol, value) in self.state.get(topic, {}).items()
            }
            self.journalled_hub.live_hub.hub.replace_snapshot(topic, items)  # as the bridge does  # type: ignore[arg-type]

    def between(self, after: int, before: int, topics: tuple[str, ...], symbol: str | None) -> int:
        """Count what a client must have been told between two numbers, both left out."""
        return sum(
            after < row.number < before and row.topic in topics and symbol in (None, row.symbol)
            for row in self.committed
        )

    def shown(self, topics: tuple[str, ...], symbol: str | None) -> State:
        """Return what a client of these topics and symbol must hold in the end."""
        return {
            topic: {
                key: value
                for key, (of, value) in self.state.get(topic, {}).items()
                if of is None or symbol in (None, of)
            }
            for topic in topics
        }


def newest(state: State) -> State:
    """Leave only the last of the trades: snapshots hold a hundred, of all symbols."""
    return {
        topic: dict(list(items.items())[-1:]) if topic == "trades" else items
        for topic, items in state.items()
    }


@dataclass
class StreamChecker:
    """A client as docs/streaming.md has it."""

    topics: tuple[Topic, ...]
    symbol: str | None
    client: SseClient | None = None
    last_id: str | None = None
    number: int | None = None  # of the journal: told up to here
    state: State = field(default_factory=dict)

    def open(self, server: Server) -> None:
        if self.client is None:
            query = f"topics={','.join(self.topics)}"
            query += f"&symbols={self.symbol}" if self.symbol else ""
            port = server.journalled_hub.live_hub.port
            self.client = SseClient(
                port, f"/?{query}", last_event_id=self.last_id, receive_buffer=SMALL_BUFFER
            )

    def disconnect(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    def read(self, server: Server, count: int) -> None:
        if self.client is not None:
            with suppress(ConnectionError):  # the server that it was opened on has ended
                for event in self.client.poll(count):
                    self.take(event, server)

    def take(self, event: Sse, server: Server) -> None:
        """Take an event in and compare it with what was committed."""
        if event.name == "end":
            return
        if event.name == "reset":
            self.state, self.number = {}, None
        elif event.id is not None:
            number = parse_event_id(event.id).journal_number
            topic = event.name.removesuffix("_told")
            is_new = topic in JOURNALLED
            if self.number is not None:
                assert number > self.number or not is_new, "twice or out of order"
                assert number >= self.number, "back in time"
                upto = number if is_new else number + 1
                assert server.between(self.number, upto, self.topics, self.symbol) == 0, "missing"
            self.number, self.last_id = number, event.id
        self._apply(event)

    def _apply(self, event: Sse) -> None:
        if event.name == "snapshot":
            shown = event.data["data"] or []
            items = shown if isinstance(shown, list) else [shown]
            self.state[event.data["topic"]] = {row["key"]: row["value"] for row in items}
        elif event.name != "reset":
            topic = self.state.setdefault(event.name.removesuffix("_told"), {})
            if event.data["ends"]:
                topic.pop(event.data["key"], None)
            else:
                topic[event.data["key"]] = event.data["value"]

    def has_all(self, server: Server) -> bool:
        """Read on, coming back if the connection was lost; tell whether nothing is missing."""
        if self.client is not None and not _is_alive(self.client):
            self.disconnect()
        self.open(server)
        self.read(server, 2**20)
        wanted = server.shown(self.topics, self.symbol)
        return self.number is not None and newest(self.state) == newest(wanted)


def _is_alive(client: SseClient) -> bool:
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1, 2) != b""  # MSG_PEEK
    except BlockingIOError:
        return True
    except OSError:
        return False


class HistoryRunner:
    """One server and its checkers."""

    def __init__(self, journalled_hub: JournalledHub) -> None:
        self.server = Server(journalled_hub)
        self.checkers = [StreamChecker(topics, symbol) for topics, symbol in CHOICES]

    def publish(self, topic: Topic, number: int, ends: bool) -> None:
        self.server.journalled_hub.put(
            self.server.event(topic, number, ends=ends and topic == "orders")
        )

    def flood(self, topic: Topic, number: int, count: int, pad: int) -> None:
        for _ in range(count):
            self.server.journalled_hub.put(self.server.event(topic, number, pad=pad))

    def restart(self, capacity: int) -> None:
        self.server.begin(capacity=capacity)

    def crash(self, capacity: int) -> None:
        """Die between a commit and the telling of it."""
        event = self.server.event("orders", 1)
        self.server.journalled_hub.settle()
        stored = JournalEvent("orders", event.name, event.key, event.symbol, event.data, False)
        self.server.journalled_hub.journal.record(Batch(events=[stored]))
        self.server.begin(capacity=capacity)

    def forget(self) -> None:
        self.server.journalled_hub.settle()
        self.server.journalled_hub.journal.delete_events_before(utc_now() + timedelta(hours=1))

    def open(self, who: int) -> None:
        self.checkers[who].open(self.server)

    def disconnect(self, who: int) -> None:
        self.checkers[who].disconnect()

    def read(self, who: int, count: int) -> None:
        self.checkers[who].read(self.server, count)

    def check_final_state(self) -> None:
        for number in range(2):
            for topic in ("orders", "trades", "portfolio", "prices"):
                self.publish(topic, number, False)  # type: ignore[arg-type]
        self.server.journalled_hub.settle()
        for checker in self.checkers:
            wait_until(lambda checker=checker: checker.has_all(self.server))
            checker.disconnect()


topics = st.sampled_from(("orders", "trades", "portfolio", "prices"))
checkers = st.integers(0, len(CHOICES) - 1)
capacities = st.sampled_from((3, 30, 1000))
step = st.one_of(
    st.tuples(st.just("publish"), topics, st.integers(0, 3), st.booleans()),
    st.tuples(
        st.just("flood"), topics, st.integers(0, 3), st.integers(1, 40), st.sampled_from((0, 9000))
    ),
    st.tuples(st.just("open"), checkers),
    st.tuples(st.just("read"), checkers, st.sampled_from((1, 300, 20_000, 2**20))),
    st.tuples(st.just("disconnect"), checkers),
)
rare = st.one_of(
    st.tuples(st.just("restart"), capacities),
    st.tuples(st.just("crash"), capacities),
    st.tuples(st.just("forget")),
)
lives = st.lists(st.tuples(st.lists(step, max_size=12), rare), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def journalled_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JournalledHub]:
    journalled_hub = JournalledHub(
        Path(tmp_path_factory.mktemp("journalled_hub")), max_streams_per_user=1000
    )
    yield journalled_hub
    journalled_hub.close()


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lives, st.lists(step, max_size=12))
def test_whatever_happens_to_server_and_connections(
    journalled_hub: JournalledHub, lives: list[Any], last: list[Any]
) -> None:
    journalled_hub.settle()
    runner = HistoryRunner(journalled_hub)
    runner.server.begin(capacity=30)
    for steps, event in lives:
        for name, *arguments in [*steps, event]:
            getattr(runner, name)(*arguments)
    for name, *arguments in last:
        getattr(runner, name)(*arguments)
    runner.check_final_state()
