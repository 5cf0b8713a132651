"""Slow and stalled clients: conflation, reset, disconnect; no effect on other clients."""

from __future__ import annotations

import socket
import time

import pytest

from backend.streams import Intervals
from backend.streams.writers import SocketWriter
from tests.streams.conftest import StartLiveHub
from tests.streams.live_hub import TRANSPORTS, LiveHub, Transport
from tests.streams.stream_client import Sse, SseClient, wait_until

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
PAD = 2000
MORE_THAN_BUFFERS = 3 * 1024 * 1024
MORE_THAN_ANY_BUFFERS = 12 * 1024 * 1024  # a server that iterates leaves them to the kernel


def stall(live_hub: LiveHub, query: str) -> SseClient:
    """Open a stream whose client reads the beginning and then nothing."""
    client = live_hub.open(query, receive_buffer=4096)
    client.take(query.count(",") + 1)
    return client


def flood(live_hub: LiveHub, rounds: int) -> None:
    """Publish a price of every symbol in each round, and in every tenth an order."""
    for number in range(rounds):
        for symbol in SYMBOLS:
            live_hub.publish("prices", symbol, number, symbol=symbol, pad=PAD)
        if number % 10 == 0:
            live_hub.publish("orders", f"o{number}", number)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_slow_client_gets_every_order_but_only_newest_prices(
    start_live_hub: StartLiveHub, transport: Transport
) -> None:
    rounds = MORE_THAN_ANY_BUFFERS // PAD // len(SYMBOLS)
    live_hub = start_live_hub(
        transport, capacity=100_000, intervals=Intervals(conflate_after_s=0.05)
    )
    client = stall(live_hub, "topics=prices,orders")
    flood(live_hub, rounds)
    wait_until(lambda: live_hub.hub.published["price_update"] == rounds * len(SYMBOLS))
    time.sleep(0.1)  # what it has not been sent by now, it is too slow for
    live_hub.publish("orders", "last", 1)
    events: list[Sse] = []
    while not events or events[-1].data["key"] != "last":
        events += client.take(1)
    prices = [event for event in events if event.name == "price_update"]
    orders = [event for event in events if event.name == "orders_changed"]
    assert [event.data["value"] for event in orders[:-1]] == list(range(0, rounds, 10))
    assert len(prices) < 2 * rounds
    assert [event.data["value"] for event in prices[-3:]] == [rounds - 1] * 3
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))


def test_a_client_that_pauses_briefly_misses_no_price(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100_000, intervals=Intervals(conflate_after_s=60))
    client = stall(live_hub, "topics=prices")
    flood(live_hub, 400)
    events = client.take(1200)
    assert [event.sequence for event in events] == [n for n in range(1, 1241) if n % 31 != 4]


def test_a_client_that_falls_behind_the_buffer_is_reset(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100)
    client = stall(live_hub, "topics=orders")
    count = MORE_THAN_BUFFERS // 5000
    for number in range(count):
        live_hub.publish("orders", f"o{number % 7}", number, pad=5000)
    wait_until(lambda: live_hub.hub.published["orders_changed"] == count)
    before = client.until("reset")
    snapshot = client.next()
    live_hub.publish("orders", "after", 1)
    after = client.next()
    assert [event.sequence for event in before[:-1]] == list(range(1, len(before)))
    assert snapshot is not None
    assert snapshot.sequence == count
    assert {order["key"]: order["value"] for order in snapshot.data["data"]} == {
        f"o{number % 7}": number for number in range(count)
    }
    assert after is not None
    assert (after.sequence, after.data["key"]) == (count + 1, "after")


def test_a_stalled_client_keeps_nobody_waiting(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=200)
    stalled = [stall(live_hub, "topics=prices,orders") for _ in range(30)]
    reader = live_hub.open("topics=orders")
    reader.take(1)
    flood(live_hub, MORE_THAN_BUFFERS // PAD // len(SYMBOLS))
    live_hub.publish("orders", "last", 1)
    wait_until(lambda: reader.take(1)[0].data["key"] == "last")
    for number in range(50):
        live_hub.publish("orders", "probe", number)
        assert reader.take(1)[0].data["key"] == "probe"
    assert len(stalled) == 30


def test_who_takes_nothing_for_long_is_cut_off(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams=1, intervals=Intervals(stall_timeout_s=0.5))
    client = stall(live_hub, "topics=prices")
    flood(live_hub, MORE_THAN_BUFFERS // PAD // len(SYMBOLS))
    wait_until(lambda: live_hub.open("topics=prices").status == 200)
    client.rest()


def test_a_client_that_reads_byte_by_byte_gets_what_the_others_get(live_hub: LiveHub) -> None:
    client = live_hub.open("topics=orders")
    client.take(1)
    for number in range(20):
        live_hub.publish("orders", f"o{number}", number)
    received = b""
    while received.count(b"event: orders_changed") < 20 or not received.endswith(b"\n\n"):
        received += client.socket.recv(1)
    assert [f'"value":{number}}}'.encode() in received for number in range(20)] == [True] * 20


def test_a_client_that_talks_is_shown_the_door(live_hub: LiveHub) -> None:
    client = live_hub.open("topics=bot")
    client.take(1)
    client.socket.sendall(b"x")
    assert client.next() is None


def test_an_idle_stream_is_kept_open_by_heartbeats(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(intervals=Intervals(heartbeat_s=0.1))
    client = live_hub.open("topics=bot")
    client.take(1)
    wait_until(lambda: not client.poll(1024) and client.heartbeats >= 2)
    live_hub.publish("bot", "bot", 1)
    assert client.take(1)[0].data["value"] == 1


def test_the_kernel_gives_up_on_who_vanished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    writer = SocketWriter(served, 60)
    assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    writer.close()
    client.close()
