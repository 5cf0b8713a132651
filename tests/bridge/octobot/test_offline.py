"""Nothing phones home: no connection, name lookup or program that the user did not ask for."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.backend_process import Backend, running

pytestmark = pytest.mark.long

TIME_TO_PHONE_HOME_S = 5

_LOOPBACK = re.compile(r"^\(?'(127\.\d+\.\d+\.\d+|localhost|::1)'|^b?'(127\.|localhost)")
_LOCAL_SOCKET = re.compile(r"^b?'(/|\\x00)|^''")


def outside(attempts: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Return the attempts that leave this machine, and every started program."""
    found = []
    for event, arguments in attempts:
        if event in ("subprocess.Popen", "os.system"):
            # a library inside ccxt asks git for its own version when it is imported
            if arguments[0] != "'git'":
                found.append((event, arguments))
        else:
            target = arguments[0] if event == "socket.getaddrinfo" else arguments[-1]
            if not _LOOPBACK.match(target) and not _LOCAL_SOCKET.match(target):
                found.append((event, arguments))
    return found


@pytest.mark.parametrize(
    ("event", "arguments", "leaves"),
    [
        ("socket.connect", ["<socket>", "('127.0.0.1', 80)"], False),
        ("socket.connect", ["<socket>", "('10.0.0.1', 80)"], True),
        ("socket.connect", ["<socket>", "('8.8.8.8', 53)"], True),
        ("socket.getaddrinfo", ["'octobot.cloud'", "443", "0", "1", "0"], True),
        ("socket.getaddrinfo", ["'localhost'", "80", "0", "1", "0"], False),
        ("subprocess.Popen", ["'sh'", "['sh']", "None", "None"], True),
    ],
)
def test_the_watch_tells_outside_from_inside(
    event: str, arguments: list[str], leaves: bool
) -> None:
    assert bool(outside([(event, arguments)])) is leaves


def trade(backend: Backend) -> None:
    """Place an order, restart the bot and read prices."""
    order = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.01"}
    backend.ready()
    assert backend.ask("POST", "/orders", order).status_code == 201
    assert backend.ask("POST", "/bot/restart").status_code == 202
    backend.ready()
    assert backend.ask("GET", "/tickers").status_code == 200


def test_a_bot_that_boots_trades_restarts_and_stops_reaches_nobody(tmp_path: Path) -> None:
    files = {trading: tmp_path / f"{trading}.jsonl" for trading in ("paper", "real")}
    with ExitStack() as stack:
        backends = []
        for trading, attempts_file in files.items():
            watched = ("-m", "tests.bridge.octobot.network_audit", str(attempts_file))
            started = running(tmp_path / trading, *watched, trading=trading)
            backends.append(stack.enter_context(started))
        for backend in backends:
            trade(backend)
        time.sleep(TIME_TO_PHONE_HOME_S)
        for backend in backends:
            assert backend.stop() == 0
    for attempts_file in files.values():
        attempts = [json.loads(line) for line in attempts_file.read_text("utf-8").splitlines()]
        assert attempts
        assert outside(attempts) == []
