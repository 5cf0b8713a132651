"""The owner keeps control while others flood, hold connections and guess the password."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from benchmarks._abuse import Attack, Caller, Owner, attacked
from benchmarks._http_load import RESTING
from benchmarks.live import LiveServer
from tests.prepared_server import prepared_server
from tests.security.expressions import worst_text

pytestmark = pytest.mark.long

HERE = "127.0.0.1"
LONGEST_S = 120.0
"""The attacks are ended as soon as the owner is through."""


def attacks(server: LiveServer) -> list[Attack]:
    doses = {"silent": (1, 100), "flood": (1, 100), "guess": (5, 5)}
    return [
        Attack(
            name,
            host=HERE,
            port=server.port,
            sources=[HERE] * addresses,
            clients=[f"198.51.{place}.{number}" for number in range(addresses)],
            seconds=LONGEST_S,
            count=count,
            text=worst_text(3000) if name == "flood" else "",
        )
        for place, (name, (addresses, count)) in enumerate(doses.items())
    ]


def test_the_owner_logs_in_steps_up_cancels_all_and_stops_the_bot_under_abuse(
    tmp_path: Path,
) -> None:
    with prepared_server(tmp_path, trusted_proxies=1) as server, ExitStack() as stack:
        earlier, caller, probe = (
            stack.enter_context(closing(Caller(HERE, server.port, HERE, f"192.0.2.{number}")))
            for number in range(1, 4)
        )
        owner = Owner(server.password)
        owner.set_up(earlier)
        placed, _ = earlier.ask("POST", "/api/v1/orders", RESTING)
        with attacked(attacks(server)) as running:
            owner.log_in(caller)
            owner.step_up(caller)
            caller.ask("DELETE", "/api/v1/orders")
            order, _ = caller.ask("GET", f"/api/v1/orders/{placed['id']}")
            stopped, _ = caller.ask("POST", "/api/v1/bot/stop")
            probe.ask("GET", "/healthz")  # raises unless the status is 200
    silent, flood, guesses = (attack.figures for attack in running)
    assert order["status"] == "canceled"
    assert stopped["state"] == "stopped"
    assert silent["most"] > 0
    assert not {"200", "500"} & (flood.keys() | guesses.keys())
