"""A flood of logins on a real server: it is turned away, and nobody else notices."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks.live import LiveServer
from tests.prepared_server import prepared_server

pytestmark = pytest.mark.long

ATTACKERS = 6
GUESSES = 30
LOGINS_A_MINUTE = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the limits as they come, that takes addresses from a proxy's header."""
    with prepared_server(tmp_path_factory.mktemp("home"), trusted_proxies=1) as server:
        yield server


@pytest.fixture(scope="module")
def admin(server: LiveServer) -> dict[str, str]:
    """The headers of an admin who had logged in before it began."""
    login = {"username": server.username, "password": server.password}
    headers = {"X-Forwarded-For": "192.0.2.1"}
    tokens = httpx.post(f"{server.api}/auth/login", json=login, headers=headers, timeout=60).json()[
        "data"
    ]
    return headers | {"Authorization": f"Bearer {tokens['access_token']}"}


class Flood:
    """Some who guess passwords as fast as they can, each on a connection of its own."""

    def __init__(self, server: LiveServer, addresses: Iterator[str]) -> None:
        self.answers: Counter[int] = Counter()
        self._address = urlsplit(server.url)
        self._addresses = addresses
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._guess) for _ in range(ATTACKERS)]

    def __enter__(self) -> Flood:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(60)
        assert not self.is_on()

    def is_on(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _guess(self) -> None:
        connection = http.client.HTTPConnection(self._address.hostname, self._address.port)
        for number in range(GUESSES):
            body = json.dumps({"username": "admin", "password": f"a wrong guess {number}"})
            with self._lock:
                address = next(self._addresses)
            headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
            connection.request("POST", "/api/v1/auth/login", body, headers)
            answer = connection.getresponse()
            answer.read()
            with self._lock:
                self.answers[answer.status] += 1
        connection.close()


def one_address() -> Iterator[str]:
    return itertools.repeat("203.0.113.66")


def many_addresses() -> Iterator[str]:
    return (f"198.51.{number // 256}.{number % 256}" for number in itertools.count())


@pytest.mark.parametrize("addresses", [one_address, many_addresses])
def test_a_flood_of_logins_leaves_health_streams_and_bot_unharmed(
    server: LiveServer, admin: dict[str, str], addresses: Callable[[], Iterator[str]]
) -> None:
    with (
        httpx.Client(base_url=server.api, headers=admin, timeout=60) as client,
        client.stream("GET", "/stream/prices") as stream,
    ):
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("event: snapshot"))
        with Flood(server, addresses()) as flood:
            health = []
            while flood.is_on():
                health.append(httpx.get(f"{server.url}/healthz", timeout=60).status_code)
                assert next(line for line in lines if line.startswith("event: price_update"))
        bot = client.get("/bot").json()["data"]
    assert set(health) == {200}
    assert bot["state"] == "running"
    assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200
    assert sum(flood.answers.values()) == ATTACKERS * GUESSES
    assert set(flood.answers) <= {401, 429}
    if addresses is one_address:
        assert flood.answers[401] <= LOGINS_A_MINUTE


@pytest.mark.usefixtures("admin")
def test_who_is_turned_away_is_told_when_to_come_back(server: LiveServer) -> None:
    guess = {"username": "somebody", "password": "a wrong guess"}
    address = {"X-Forwarded-For": "203.0.113.77"}
    answers = [
        httpx.post(f"{server.api}/auth/login", json=guess, headers=address, timeout=60)
        for _ in range(LOGINS_A_MINUTE + 1)
    ]
    assert {answer.status_code for answer in answers[:-1]} <= {401, 429}
    refused = answers[-1]
    assert (refused.status_code, refused.json()["type"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    right = {"username": server.username, "password": server.password}
    again = httpx.post(f"{server.api}/auth/login", json=right, headers=address, timeout=60)
    assert again.status_code == 429  # before the password is looked at
