"""No space for the journal: orders are refused before the bot sees them, the rest goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.recovery.running_server import RunningServer
from tests.server_process import wait_until

LINUX = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux limits another process"
)
pytestmark = [LINUX, pytest.mark.long]
_PAGE = 4096


@contextmanager
def full_disk(server: RunningServer) -> Iterator[None]:
    """Let no file of the server grow: neither the database nor its logs."""
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (_PAGE, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)


def test_an_order_on_a_full_disk_is_refused_and_nothing_reaches_the_bot(
    server: RunningServer,
) -> None:
    kept = server.place(side="buy", type="limit", price=server.at("0.9"))
    before = server.account()
    with full_disk(server):
        for fields in ({"type": "market"}, {"type": "limit", "price": server.at("0.8")}):
            answer = server.post("full-1", side="buy", **fields)
            assert (answer.status, answer.json["type"]) == (503, "journal_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        batch = {"orders": [{"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": 1}]}
        (result,) = server.api.ask("POST", "/orders/batch", batch)
        assert (result["problem"]["code"], result["order"]) == (503, None)
        assert server.account() == before
        ready = server.api.send("GET", "/readyz")
        assert ready.status == 503
        assert "the order journal cannot be written" in ready.json["details"]
        assert server.api.get(f"/orders/{kept['id']}") == kept
    server.api.wait_until_ready()
    assert server.account_state() == before.state
    answer = server.post("full-1", side="buy", type="market")
    assert (answer.status, answer.data["status"]) == (201, "filled")


def test_what_happens_on_a_full_disk_is_kept_when_there_is_space_again(
    server: RunningServer,
) -> None:
    filling = server.place(side="buy", type="limit", price=server.at("0.99"))
    leaving = server.place(side="buy", type="limit", price=server.at("0.5"))
    with full_disk(server):
        server.pin("0.98")
        server.await_status("filled", filling)
        answer = server.api.send("DELETE", f"/orders/{leaving['id']}")
        assert (answer.status, answer.json["type"]) == (504, "order_state_unknown")
        assert server.status(leaving) == "canceled"
        assert server.post(side="buy", type="market").status == 503
    server.api.wait_until_ready()
    assert wait_until(lambda: server.post(side="sell", type="market").status == 201)
    before = server.account_state()
    server.kill_process()
    after = server.account_state()
    assert after == before
    assert after.order(filling["id"])["status"] == "filled"
    assert after.order(leaving["id"])["status"] == "canceled"


def test_a_restart_on_a_full_disk_waits_for_space_and_loses_nothing(server: RunningServer) -> None:
    filling = server.place(side="buy", type="limit", price=server.at("0.99"))
    with full_disk(server):
        server.pin("0.98")
        server.await_status("filled", filling)
        before = server.account()
        server.api.ask("POST", "/bot/restart", expect=202)
        assert wait_until(lambda: server.api.get("/bot")["state"] == "failed")
        assert server.api.get("/bot")["reason"] == "the order journal cannot be written"
        assert server.post(side="buy", type="market").status == 503
    server.api.wait_until_ready()
    assert server.account() == before
    assert server.post(side="buy", type="market").status == 201


def test_a_pause_on_a_full_disk_holds_and_says_that_a_restart_would_forget_it(
    server: RunningServer,
) -> None:
    with full_disk(server):
        answer = server.api.send("POST", "/bot/pause")
        assert (answer.status, answer.json["type"]) == (503, "journal_unavailable")
        assert answer.json["details"] == "the bot is paused, but a restart would forget it"
        assert server.api.get("/bot")["state"] == "paused"
    server.api.wait_until_ready()
    server.kill_process()
    assert server.api.get("/bot")["state"] == "paused"
    server.api.ask("POST", "/bot/resume")
