"""The end of streams: a last event with the reason, without delay."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import trustme

from backend.server.tls import Certificates
from backend.streams import Intervals
from tests.streams.conftest import StartLiveHub
from tests.streams.live_hub import LiveHub
from tests.streams.stream_client import wait_until

SOON_S = 10.0  # a heartbeat would come after 15, what is stalled ends after 60


def test_an_expired_token_ends_the_stream(any_live_hub: LiveHub) -> None:
    client = any_live_hub.open("topics=orders&life=0.5")
    client.take(1)
    started = time.monotonic()
    [end] = client.rest()
    assert (end.name, end.id, end.data["reason"]) == ("end", None, "token_expired")
    assert time.monotonic() - started < SOON_S


def test_revoked_access_ends_the_users_streams_and_no_other(any_live_hub: LiveHub) -> None:
    gone = [any_live_hub.open("topics=orders&user=gone") for _ in range(3)]
    stays = any_live_hub.open("topics=orders&user=stays")
    for client in (*gone, stays):
        client.take(1)
    any_live_hub.revoked.add("gone")
    started = time.monotonic()
    ends = [client.rest() for client in gone]
    taken_s = time.monotonic() - started
    any_live_hub.publish("orders", "a", 1)
    assert [[event.data["reason"] for event in end] for end in ends] == [["access_revoked"]] * 3
    assert taken_s < SOON_S
    assert stays.take(1)[0].data["value"] == 1


def test_nothing_is_sent_after_access_was_lost(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(intervals=Intervals(access_check_s=0.1))
    client = live_hub.open("topics=orders&user=gone")
    client.take(1)
    live_hub.revoked.add("gone")
    end = client.until("end")[-1]
    live_hub.publish("orders", "a", 1)
    assert end.data["reason"] == "access_revoked"
    assert client.next() is None


def test_a_client_that_reads_nothing_loses_its_stream_as_well(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(max_streams_per_user=1)
    client = live_hub.open("topics=orders&user=gone", receive_buffer=4096)
    client.take(1)
    for number in range(1000):
        live_hub.publish("orders", f"o{number % 5}", number, pad=3000)
    live_hub.revoked.add("gone")
    wait_until(lambda: live_hub.open("topics=orders&user=gone").status == 200, SOON_S)
    client.close()


def test_a_stopping_server_ends_all_streams_promptly(any_live_hub: LiveHub) -> None:
    clients = [any_live_hub.open("topics=orders") for _ in range(20)]
    for client in clients:
        client.take(1)
    started = time.monotonic()
    any_live_hub.stop_serving()
    ends = [client.rest() for client in clients]
    assert time.monotonic() - started < SOON_S
    assert {event.data["reason"] for end in ends for event in end} == {"server_stopping"}
    assert [len(end) for end in ends] == [1] * 20


def test_a_stopping_server_tells_those_under_tls_too(
    start_live_hub: StartLiveHub, tmp_path: Path
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    pem = tmp_path / "server.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(pem)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    live_hub = start_live_hub(certificates=Certificates(pem, pem))
    clients = [live_hub.open("topics=orders", tls=trusting) for _ in range(5)]
    for client in clients:
        client.take(1)
    live_hub.publish("orders", "a", 1)
    live_hub.stop_serving()
    told = [client.rest() for client in clients]
    assert [[event.name for event in events] for events in told] == [["orders_changed", "end"]] * 5
    assert {events[-1].data["reason"] for events in told} == {"server_stopping"}


def test_a_stalled_client_does_not_hold_up_the_stop(live_hub: LiveHub) -> None:
    client = live_hub.open("topics=orders", receive_buffer=4096)
    client.take(1)
    for number in range(1000):
        live_hub.publish("orders", f"o{number % 5}", number, pad=3000)
    wait_until(lambda: live_hub.hub.published["orders_changed"] == 1000)
    wait_until(lambda: live_hub.hub.lagging_streams)
    started = time.monotonic()
    live_hub.hub.close()
    assert time.monotonic() - started < SOON_S


def test_events_after_the_stop_go_nowhere(live_hub: LiveHub) -> None:
    live_hub.hub.close()
    for number in range(100):
        live_hub.publish("orders", "a", number)
    live_hub.load("orders", {"a": 1})
    assert live_hub.open("topics=orders").rest() == []
