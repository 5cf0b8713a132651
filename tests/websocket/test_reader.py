"""Incoming frames: sizes, protocol violations, rate limit, silent clients."""

from __future__ import annotations

import contextlib
import os
import socket
import struct

import pytest
from wsproto.events import CloseConnection, Ping

from tests.api_client import ApiClient
from tests.streams.stream_client import wait_until
from tests.websocket.conftest import Connect, StartOther

CROWD = 30
MASK = b"\0\0\0\0"


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """Build a client's frame, masked with zeros."""
    first = opcode | (0x80 if final else 0)
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, 0x80 | size) + MASK + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first, 0x80 | 126, size) + MASK + payload
    return struct.pack("!BBQ", first, 0x80 | 127, size) + MASK + payload


TEXT, MORE, BINARY, CLOSE = 1, 0, 2, 8
PING_REQUEST = b'{"action":"ping","id":"whole"}'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x" * 70_000), 1009),
        (frame(TEXT, b"x" * 40_000, final=False) + frame(MORE, b"x" * 40_000), 1009),
        (frame(BINARY, b"{}"), 1003),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(MORE, b"x"), 1002),
        (frame(3), 1002),
        (b"\x81\x02{}", 1002),
        (b"\xf1\x82\0\0\0\0{}", 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(CLOSE, struct.pack("!H", 1000)), 1000),
        (frame(CLOSE, struct.pack("!H", 4001) + b"bye"), 4001),
        (frame(CLOSE), 1000),
        (frame(CLOSE, b"x"), 1002),
    ],
    ids=[
        "too long",
        "too long in parts",
        "binary",
        "no utf-8",
        "a part of nothing",
        "unknown opcode",
        "unmasked",
        "reserved bits",
        "a long ping",
        "good-bye",
        "good-bye for a reason",
        "good-bye without a word",
        "broken good-bye",
    ],
)
def test_what_breaks_the_protocol_is_told_by_its_code(
    connect: Connect, data: bytes, code: int
) -> None:
    peer = connect("/ws?topics=bot")
    peer.send_bytes(data)
    peer.rest()
    assert peer.close_code == code


@pytest.mark.parametrize(
    ("text", "kind", "echoed"),
    [
        ("", "malformed_request", None),
        ("{", "malformed_request", None),
        ("[]", "validation_error", None),
        ('{"action":"nonsense","id":"a"}', "validation_error", "a"),
        ('{"action":"ping","id":{}}', "validation_error", None),
        ('{"action":"ping","id":true}', "validation_error", None),
        ('{"action":"ping","id":"a","surprise":1}', "validation_error", "a"),
        ('{"action":"subscribe","id":"a","data":[]}', "validation_error", "a"),
        ('{"action":"order.create","id":"a","data":{"price":NaN}}', "malformed_request", None),
        ('{"action":"order.create","id":"a","data":{"price":1e999}}', "malformed_request", None),
        ('{"id":"a"}', "validation_error", "a"),
        ('{"action":"ping","id":"' + "a" * 65 + '"}', "validation_error", None),
        ("[" * 5000, "malformed_request", None),
        ('{"action":"ping","data":{"a":' + "[" * 900 + "]" * 900 + "}}", "malformed_request", None),
    ],
)
def test_a_message_that_is_none_is_answered_and_changes_nothing(
    connect: Connect, text: str, kind: str, echoed: str | None
) -> None:
    peer = connect()
    peer.send(text)
    answer = peer.receive_reply()
    assert (answer["type"], answer["id"], answer["success"]) == (kind, echoed, False)
    assert answer["code"] == answer["status"] == 400
    assert peer.request("ping")["status"] == 200


def test_a_message_may_come_in_parts_and_bytes(connect: Connect) -> None:
    peer = connect()
    parts = frame(TEXT, PING_REQUEST[:7], final=False) + frame(9, b"between")
    whole = parts + frame(MORE, PING_REQUEST[7:])
    for byte in whole:
        peer.send_bytes(bytes([byte]))
    assert peer.receive_pong() == b"between"
    assert peer.receive_reply()["id"] == "whole"


def test_pings_are_answered_with_what_they_hold(connect: Connect) -> None:
    peer = connect()
    peer.send_event(Ping(payload=b"\x00\xff"))
    assert peer.receive_pong() == b"\x00\xff"


def test_a_flood_is_read_at_its_pace_and_answered_in_order(connect: Connect) -> None:
    peer = connect()
    for number in range(150):
        peer.send_request("ping", number)
    assert [peer.receive_reply()["id"] for _ in range(150)] == list(range(150))


def test_a_client_that_never_reads_holds_up_nobody(connect: Connect) -> None:
    deaf = connect("/ws?topics=prices", receive_buffer=2048)
    for number in range(90):
        deaf.send_request("order.create", number, symbol="x" * 600)
    peer = connect("/ws?topics=prices")
    prices = [peer.receive_event("price_update") for _ in range(20)]
    places = [int(price["id"].rpartition("-")[2]) for price in prices]
    assert places == sorted(set(places))
    assert peer.request("ping")["status"] == 200


def test_what_a_slow_client_is_told_comes_whole_in_the_end(connect: Connect) -> None:
    slow = connect("/ws?topics=portfolio", receive_buffer=2048)
    for number in range(60):
        slow.send_request("subscribe", number, topics=["prices"], symbols=["BTC-USDT"])
        slow.send_request("subscribe", -1, topics=["prices"])
    wanted = set(range(60))
    while wanted:
        wanted.discard(slow.receive_reply()["id"])
    assert slow.request("unsubscribe")["data"]["topics"] == []


def open_sockets() -> int:
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return found


@pytest.mark.parametrize("manner", ["politely", "breaking off", "at once"])
def test_a_crowd_leaves_nothing_behind(
    connect: Connect, start_other: StartOther, client: ApiClient, manner: str
) -> None:
    port = start_other(socket_clients=CROWD).port
    headers = client.as_viewer().headers
    before = open_sockets()
    for _ in range(3):
        peers = [connect("/ws?topics=bot", headers, port) for _ in range(CROWD)]
        assert {peer.status for peer in peers} == {101}
        for peer in peers:
            if manner != "at once":
                peer.receive_event("snapshot")
            if manner == "politely":
                peer.send_event(CloseConnection(code=1000))
                peer.rest()
            if manner == "breaking off":
                reset = struct.pack("ii", 1, 0)
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            peer.close()
        wait_until(lambda: open_sockets() <= before)
