"""Property test: after any selection changes a slow client has the server's state."""

from __future__ import annotations

import json
import selectors
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import CLIENT, Connection
from wsproto.events import Ping, TextMessage

from backend.schemas.topics import Topic
from backend.streams import Intervals, Selection, StreamOwner
from backend.streams.connection_limits import StreamLimits
from backend.streams.dispatcher import Dispatcher
from backend.streams.encodings import WEBSOCKET, text_message
from backend.streams.event_log import EventLog
from backend.streams.sse import parse_event_id
from backend.streams.subscriber import SelectionChange, Subscriber
from tests.streams.live_hub import make_event
from tests.streams.random_histories import ENDLESS, BoundedWriter

TOPICS: tuple[Topic, ...] = ("prices", "orders", "trades")
SYMBOLS = ("A/B", "C/D")

topics = st.sampled_from(TOPICS)
publish = st.tuples(
    st.just("publish"), topics, st.sampled_from(SYMBOLS), st.integers(0, 2), st.integers(0, 99)
)
choose = st.tuples(
    st.just("choose"),
    st.sets(topics).map(lambda chosen: tuple(topic for topic in TOPICS if topic in chosen)),
    st.sampled_from((None, frozenset({"A/B"}))),
)
read = st.tuples(st.just("read"), st.sampled_from((1, 60, 5000)))
steps = st.lists(
    st.one_of(
        publish,
        publish,
        choose,
        read,
        st.tuples(st.just("broadcast")),
        st.tuples(st.just("heartbeat")),
    )
)


class ChangingSubscriber:
    """A dispatcher, one socket with little room, and what its client has made of what it heard."""

    def __init__(self, capacity: int, slow_s: float) -> None:
        self.state: dict[str, dict[str, int]] = {}
        self.truth: dict[str, dict[str, tuple[str, int]]] = {topic: {} for topic in TOPICS}
        self.answers: list[int] = []
        self.chosen = Selection((), None, WEBSOCKET)
        self._place = self._asked = 0
        self._writer = BoundedWriter()
        self._protocol = Connection(CLIENT)
        self._text = ""
        self._dispatcher = Dispatcher(
            EventLog("a", capacity), selectors.SelectSelector(), Intervals(conflate_after_s=slow_s)
        )
        owner = StreamOwner("somebody", float("inf"), lambda: True)
        slot = StreamLimits(1, 1).acquire("somebody")
        self._client = Subscriber(self._writer, self.chosen, owner, slot, None)
        self._dispatcher.attach(self._client)

    def publish(self, topic: Topic, symbol: str, number: int, value: int) -> None:
        key = f"{symbol} {number}"
        self._dispatcher.append(make_event(topic, key, value, symbol=symbol))
        self.truth[topic][key] = (symbol, value)

    def choose(self, chosen: tuple[Topic, ...], symbols: frozenset[str] | None) -> None:
        self.broadcast()
        self.chosen = Selection(chosen, symbols, WEBSOCKET)
        self._asked += 1
        words = text_message(b'{"answer":%d}' % self._asked)
        self.answers.append(self._asked)
        self._dispatcher.change_selection(self._client, SelectionChange(self.chosen), words)

    def broadcast(self) -> None:
        self._dispatcher.broadcast()

    def heartbeat(self) -> None:
        self.broadcast()
        self._dispatcher.send_heartbeats(WEBSOCKET)

    def read(self, count: int) -> None:
        self.broadcast()
        self._writer.room += count
        self._dispatcher.catch_up(self._client)
        received, self._writer.received = self._writer.received, b""
        self._protocol.receive_data(received)
        for event in self._protocol.events():
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    self._take(json.loads(self._text))
                    self._text = ""
            else:
                assert isinstance(event, Ping)

    def _take(self, message: dict[str, Any]) -> None:
        if "answer" in message:
            assert message["answer"] == self.answers[0], "answers come in their order"
            self.answers.pop(0)
            return
        place = parse_event_id(message["id"]).sequence if "id" in message else self._place
        data = message["data"]
        if message["event"] == "snapshot":
            assert place >= self._place
            self.state[data["topic"]] = {row["key"]: row["value"] for row in data["data"]}
        elif message["event"] != "reset":
            assert place > self._place, "twice or out of order"
            topic = "prices" if message["event"] == "price_update" else message["event"][:-8]
            self.state[topic][data["key"]] = data["value"]
        self._place = place

    def check_final_state(self) -> None:
        self.read(ENDLESS)
        assert self.answers == []
        for topic in self.chosen.topics:
            assert self.state[topic] == {
                key: value
                for key, (symbol, value) in self.truth[topic].items()
                if self.chosen.includes_symbol(symbol)
            }


@settings(max_examples=300, deadline=None)
@given(steps, st.sampled_from((3, 1000)), st.sampled_from((0.0, 1e9)))
def test_a_client_that_changes_its_mind_ends_with_the_servers_state(
    steps: list[tuple[Any, ...]], capacity: int, slow_s: float
) -> None:
    subscriber = ChangingSubscriber(capacity, slow_s)
    for name, *arguments in steps:
        getattr(subscriber, name)(*arguments)
    subscriber.check_final_state()
