"""Log targets: what syslog and stdout get, and that a slow or absent one holds nothing up."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from backend.observability import log_targets
from backend.observability.log_targets import LogTarget, StdoutDestination, SyslogDestination
from backend.observability.logs import Logs
from tests.waiting import wait_until

RFC_5424 = re.compile(
    rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) octobot-backend (\d+) (\S+) - (.*)",
    re.DOTALL,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for the address of a socket."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


def receiver(address: Path | None) -> socket.socket:
    """Listen for datagrams, on a Unix socket or over UDP."""
    if address is None:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("127.0.0.1", 0))
    else:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        opened.bind(str(address))
    opened.settimeout(30)
    return opened


def parse(datagram: bytes) -> tuple[int, str, dict[str, Any]]:
    """Return the priority, the message id and the JSON of a datagram."""
    found = RFC_5424.fullmatch(datagram)
    assert found is not None, datagram
    assert int(found[4]) == os.getpid()
    return int(found[1]), found[5].decode(), json.loads(found[6])


@pytest.mark.parametrize("is_udp", [True, False], ids=["udp", "unix"])
def test_syslog_gets_each_line_masked_as_the_file_has_it(folder: Path, is_udp: bool) -> None:
    with receiver(None if is_udp else folder / "log") as syslog:
        address = f"127.0.0.1:{syslog.getsockname()[1]}" if is_udp else str(folder / "log")
        target = LogTarget(SyslogDestination(address), "syslog")
        logs = Logs(folder / "logs", io.StringIO(), [target])
        structlog.get_logger("backend.part").warning("odd", password="one two", count=3)
        structlog.get_logger("backend.part").info("x" * 20_000)
        logs.close()
        first, second = (parse(syslog.recv(65_536)) for _ in range(2))
    lines = (folder / "logs" / "backend.log").read_bytes().splitlines()
    assert first == (3 * 8 + 4, "backend.part", json.loads(lines[0]))
    assert first[2]["password"] == "********"
    assert (second[0], second[2]["event"], second[2]["cut"]) == (3 * 8 + 6, "x" * 1000, True)


def test_a_syslog_that_comes_back_gets_what_was_queued_and_is_told_what_was_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_targets, "MOST_QUEUED", 10)
    logs = Logs(None, io.StringIO(), [LogTarget(SyslogDestination(str(folder / "log")), "syslog")])
    logger = structlog.get_logger("part")
    started = time.thread_time()
    for number in range(1000):
        logger.info("line", number=number)
    assert time.thread_time() - started < 5
    with receiver(folder / "log") as syslog:
        found = [parse(syslog.recv(65_536))[2] for _ in range(11)]
        logs.close()
    numbers = [line["number"] for line in found if line["event"] == "line"]
    assert numbers == list(range(len(numbers)))
    assert any("lines were lost" in line["event"] for line in found)
    assert not (folder / "logs").exists()


def test_a_syslog_that_takes_nothing_holds_up_neither_lines_nor_the_end(folder: Path) -> None:
    with receiver(folder / "log"):  # nobody reads: the socket is full after some datagrams
        target = LogTarget(SyslogDestination(str(folder / "log")), "syslog")
        logs = Logs(None, io.StringIO(), [target])
        for number in range(2 * log_targets.MOST_QUEUED):
            structlog.get_logger("part").info("line", number=number)
        started = time.monotonic()
        logs.close()
        assert time.monotonic() - started < 20


def test_stdout_gets_lines_of_json_and_a_full_pipe_holds_up_nothing() -> None:
    reading, writing = os.pipe()
    logs = Logs(None, io.StringIO(), [LogTarget(StdoutDestination(writing), "stdout")])
    for number in range(5_000):  # more than a pipe holds
        structlog.get_logger("part").info("line", number=number)
    with os.fdopen(reading, "rb") as pipe:
        lines = [json.loads(pipe.readline()) for _ in range(5_000)]
        logs.close()
        os.close(writing)
        assert pipe.read() == b""
    assert [line["number"] for line in lines] == list(range(5_000))


def test_a_closed_stdout_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    target = LogTarget(StdoutDestination(writing), "stdout")
    logs = Logs(None, io.StringIO(), [target])
    structlog.get_logger("part").info("line")
    logs.close()
    os.close(writing)


def test_a_refused_datagram_is_an_error_after_which_it_connects_anew() -> None:
    destination = SyslogDestination("127.0.0.1:1")
    line = {"timestamp": "2026-01-01T00:00:00.000Z", "level": "error", "logger": "a b", "event": ""}
    message = destination.encode(line, b"{}")
    assert message.startswith(b"<27>1 2026-01-01T00:00:00.000Z ")
    assert b" ab - {}" in message

    def fails() -> bool:  # the machine refuses the datagram before
        try:
            destination.send(message)
        except ConnectionRefusedError:
            return True
        return False

    assert wait_until(fails)
