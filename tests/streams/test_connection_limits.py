"""Limits on streams: an ended stream makes room for another."""

from __future__ import annotations

import socket
import struct

import pytest

from backend.streams import Intervals
from tests.streams.conftest import StartLiveHub
from tests.streams.live_hub import Transport
from tests.streams.stream_client import wait_until


def test_a_user_has_a_bound(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams_per_user=2)
    first, second = live_hub.open("topics=bot&user=a"), live_hub.open("topics=bot&user=a")
    assert (first.status, second.status) == (200, 200)
    third = live_hub.open("topics=bot&user=a")
    assert third.status == 429
    assert third.body() == b"too_many_streams"
    assert live_hub.open("topics=bot&user=b").status == 200


def test_the_server_has_a_bound(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams=2)
    assert [live_hub.open(f"topics=bot&user={number}").status for number in range(2)] == [200, 200]
    refused = live_hub.open("topics=bot&user=2")
    assert (refused.status, refused.body()) == (503, b"streams_full")


@pytest.mark.parametrize("transport", ["handed over", "greenlets", "threads"])
def test_who_leaves_makes_room(start_live_hub: StartLiveHub, transport: Transport) -> None:
    live_hub = start_live_hub(transport, max_streams=1, intervals=Intervals(heartbeat_s=0.1))
    client = live_hub.open("topics=bot")
    client.take(1)
    client.close()
    wait_until(lambda: live_hub.open("topics=bot").status == 200)


def test_a_connection_that_breaks_makes_room(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams=1)
    client = live_hub.open("topics=bot")
    client.take(1)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: live_hub.open("topics=bot").status == 200)


def test_who_only_asks_for_the_head_takes_no_room(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams=1)
    assert live_hub.open("topics=bot", method="HEAD").status == 200
    wait_until(lambda: live_hub.open("topics=bot").status == 200)


def test_a_refused_stream_takes_no_room(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams=1)
    assert live_hub.open("topics=bot", last_event_id="nonsense").status == 400
    assert live_hub.open("topics=bot").status == 200
