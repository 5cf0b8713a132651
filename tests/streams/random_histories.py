"""Runners of random histories: events, and clients that connect, stall and disconnect.

`DispatcherRunner` has neither threads nor sockets, so that the test decides on every
byte. In `HubRunner` a hub runs behind a server, and clients stall by not reading.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Mapping
from ctypes import c_int

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams import Intervals, Selection, StreamOwner
from backend.streams.connection_limits import StreamLimits
from backend.streams.dispatcher import Dispatcher
from backend.streams.encodings import SSE
from backend.streams.event_log import EventLog
from backend.streams.sse import parse_event_id
from backend.streams.subscriber import Subscriber
from tests.streams.expected_stream import History, StreamChecker
from tests.streams.live_hub import LiveHub, item, make_event
from tests.streams.stream_client import SseClient, SseParser, wait_until

BTC, ETH = "BTC/USDT", "ETH/USDT"
SELECTIONS = (
    Selection(("prices", "orders", "trades", "portfolio", "bot")),
    Selection(("orders",)),
    Selection(("prices",), frozenset({ETH})),
    Selection(("prices", "orders", "portfolio"), frozenset({BTC})),
    Selection(("prices", "candles", "positions")),
    Selection(("orders",)),  # two in one group
    Selection(("prices", "orders", "portfolio"), frozenset({BTC})),
)
ENDLESS = 10**9
SMALL_BUFFER = 4096


def place_of(topic: Topic, number: int) -> tuple[str, str | None]:
    """Return key and symbol of a topic's item; what is one object has one key."""
    if topic in ("portfolio", "bot"):
        return topic, None
    symbol = BTC if number % 2 else ETH
    return f"{symbol} {number}", symbol


class HistoryRunner:
    """Common part: checkers of different selections, and the history of one start."""

    def __init__(self) -> None:
        self.checkers = [StreamChecker(selection) for selection in SELECTIONS]
        self.history = History()

    def publish(self, topic: Topic, number: int, value: int | None, pad: int = 0) -> None:
        key, symbol = place_of(topic, number)
        event = make_event(topic, key, value, symbol=symbol, pad=pad)
        self.history.publish(event, value)
        self._take(event)

    def flood(self, topic: Topic, number: int, count: int, pad: int) -> None:
        for value in range(count):
            self.publish(topic, number, value, pad)

    def load(self, topic: Topic, values: dict[int, int]) -> None:
        loaded = {place_of(topic, n)[0]: (place_of(topic, n)[1], v) for n, v in values.items()}
        self.history.load(topic, loaded)
        self._reload(
            topic, {key: (symbol, item(key, value)) for key, (symbol, value) in loaded.items()}
        )

    def _take(self, event: Event) -> None:
        raise NotImplementedError

    def _reload(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        raise NotImplementedError


class BoundedWriter:
    """`StreamWriter` that takes as many bytes as it was given room for."""

    def __init__(self) -> None:
        self.descriptor = c_int(-1)
        self.room = 0
        self.received = b""

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Need nothing."""

    def write(self, data: bytes) -> int:
        """Take what there is room for."""
        taken = data[: self.room]
        self.room -= len(taken)
        self.received += taken
        return len(taken)

    def notify_when_writable(self, enabled: bool) -> None:
        """Need nothing: the runner says when there is room."""

    def close(self) -> None:
        """Need nothing."""


class Connection:
    """A checker's open stream."""

    def __init__(self, checker: StreamChecker, limits: StreamLimits) -> None:
        self.writer = BoundedWriter()
        self.parser = SseParser()
        self.client = Subscriber(
            self.writer,
            checker.selection,
            StreamOwner("somebody", float("inf"), lambda: True),
            limits.acquire("somebody"),
            parse_event_id(checker.last_id) if checker.last_id else None,
        )


class DispatcherRunner(HistoryRunner):
    """Dispatcher with writers that take few bytes at a time.

    Events are noted for the groups before they are sent, and all else may happen in
    between, as it may while other groups have their turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self._limits = StreamLimits(100, 100)
        self._connections: dict[int, Connection] = {}
        self._starts = 0

    def restart(self, capacity: int, slow_s: float) -> None:
        """Start the server anew."""
        self._connections.clear()
        self._starts += 1
        self.history = History()
        log = EventLog(f"{self._starts:x}", capacity)
        intervals = Intervals(conflate_after_s=slow_s)
        self._dispatcher = Dispatcher(log, selectors.SelectSelector(), intervals)

    def broadcast(self) -> None:
        self._dispatcher.broadcast()

    def heartbeat(self) -> None:
        self._dispatcher.send_heartbeats(SSE)

    def end(self, who: int) -> None:
        """End a checker's stream with what it has room for."""
        if who in self._connections:
            self._dispatcher.end(self._connections[who].client, "server_stopping")
            self.read(who, 0)
            self.disconnect(who)

    def open(self, who: int) -> None:
        if who not in self._connections:
            connection = self._connections[who] = Connection(self.checkers[who], self._limits)
            self._dispatcher.attach(connection.client)

    def stall(self, who: int, room: int) -> None:
        """Read everything, and from then on only so many bytes."""
        self.open(who)
        self.read(who, ENDLESS)
        self._connections[who].writer.room = room

    def disconnect(self, who: int) -> None:
        connection = self._connections.pop(who, None)
        if connection is not None:
            self._dispatcher.disconnect(connection.client)

    def read(self, who: int, count: int) -> None:
        """Read so many bytes and compare with the history."""
        connection = self._connections.get(who)
        if connection is None:
            return
        connection.writer.room += count
        self._dispatcher.catch_up(connection.client)
        received, connection.writer.received = connection.writer.received, b""
        for event in connection.parser.feed(received):
            self.checkers[who].take(event, self.history)

    def check_final_state(self) -> None:
        """Read every stream to its end and check its final state."""
        self.broadcast()
        for who, checker in enumerate(self.checkers):
            self.open(who)
            self.read(who, ENDLESS)
            checker.check_final_state(self.history)

    def _take(self, event: Event) -> None:
        self._dispatcher.append(event)

    def _reload(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        self._dispatcher.replace_snapshot(topic, items)


class HubRunner(HistoryRunner):
    """A hub behind a server, and sockets with small buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[int, SseClient] = {}
        self._live: LiveHub | None = None
        self._old_ids: list[str | None] = []

    def restart(self, capacity: int, slow_s: float) -> None:
        """Start the server anew."""
        self.close()
        self.history = History()
        self._old_ids = [checker.last_id for checker in self.checkers]
        self._live = LiveHub(capacity=capacity, intervals=Intervals(conflate_after_s=slow_s))

    def close(self) -> None:
        for who in list(self._clients):
            self.disconnect(who)
        if self._live is not None:
            self._live.close()

    def broadcast(self) -> None:
        time.sleep(0.005)

    def heartbeat(self) -> None:
        """Leave it to the hub's clock."""

    def end(self, who: int) -> None:
        self.disconnect(who)

    def open(self, who: int) -> None:
        if who not in self._clients:
            chosen = self.checkers[who].selection
            query = f"topics={','.join(chosen.topics)}"
            if chosen.symbols is not None:
                query += f"&symbols={','.join(chosen.symbols)}"
            assert self._live is not None
            self._clients[who] = SseClient(
                self._live.port,
                f"/?{query}",
                last_event_id=self.checkers[who].last_id,
                receive_buffer=SMALL_BUFFER,
            )

    def stall(self, who: int, _room: int) -> None:
        """Read what is there; the stream stalls by itself until the next read."""
        self.open(who)
        self.read(who, ENDLESS)

    def disconnect(self, who: int) -> None:
        client = self._clients.pop(who, None)
        if client is not None:
            client.close()

    def read(self, who: int, count: int) -> None:
        """Read so many bytes and compare with the history."""
        if who in self._clients:
            for event in self._clients[who].poll(min(count, 2**20)):
                self.checkers[who].take(event, self.history)

    def check_final_state(self) -> None:
        """Read every stream to a last event of each topic and check its final state."""
        for number, selection in enumerate(SELECTIONS):
            for topic in selection.topics:
                self.publish(topic, number, 1)
        for who, checker in enumerate(self.checkers):
            self.open(who)
            end = self.history.last_of(checker.selection)
            wait_until(lambda w=who, f=checker, e=end: self._has_reached(w, f, e))
            checker.check_final_state(self.history)

    def _has_reached(self, who: int, checker: StreamChecker, place: int) -> bool:
        self.read(who, ENDLESS)
        is_of_this_start = checker.last_id != self._old_ids[who]  # and the place with it
        return is_of_this_start and checker.place is not None and checker.place >= place

    def _take(self, event: Event) -> None:
        assert self._live is not None
        self._live.hub.publish(event)

    def _reload(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        assert self._live is not None
        self._live.hub.replace_snapshot(topic, items)
