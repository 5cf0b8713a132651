"""No space for the journal: orders are refused before the bot sees them, the rest goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.recovery.running_server import Running
from tests.server_process import wait_until

LINUX = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux limits another process"
)
pytestmark = [LINUX, pytest.mark.long]
_PAGE = 4096


@contextmanager
def full_disk(running: Running) -> Iterator[None]:
    """Let no file of the server grow: neither the database nor its logs."""
    before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (_PAGE, before[1]))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)


def test_an_order_on_a_full_disk_is_refused_and_nothing_reaches_the_bot(running: Running) -> None:
    kept = running.place(side="buy", type="limit", price=running.at("0.9"))
    before = running.account()
    with full_disk(running):
        for fields in ({"type": "market"}, {"type": "limit", "price": running.at("0.8")}):
            answer = running.post("full-1", side="buy", **fields)
            assert (answer.status, answer.json["type"]) == (503, "journal_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        batch = {"orders": [{"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": 1}]}
        (result,) = running.api.ask("POST", "/orders/batch", batch)
        assert (result["problem"]["code"], result["order"]) == (503, None)
        assert running.account() == before
        ready = running.api.send("GET", "/readyz")
        assert ready.status == 503
        assert "the order journal cannot be written" in ready.json["details"]
        assert running.api.get(f"/orders/{kept['id']}") == kept
    running.api.wait_until_ready()
    assert running.books() == before.books
    answer = running.post("full-1", side="buy", type="market")
    assert (answer.status, answer.data["status"]) == (201, "filled")


def test_what_happens_on_a_full_disk_is_kept_when_there_is_space_again(running: Running) -> None:
    filling = running.place(side="buy", type="limit", price=running.at("0.99"))
    leaving = running.place(side="buy", type="limit", price=running.at("0.5"))
    with full_disk(running):
        running.pin("0.98")
        running.await_status("filled", filling)
        answer = running.api.send("DELETE", f"/orders/{leaving['id']}")
        assert (answer.status, answer.json["type"]) == (504, "order_state_unknown")
        assert running.status(leaving) == "canceled"
        assert running.post(side="buy", type="market").status == 503
    running.api.wait_until_ready()
    assert wait_until(lambda: running.post(side="sell", type="market").status == 201)
    before = running.books()
    running.kill_process()
    after = running.books()
    assert after == before
    assert after.order(filling["id"])["status"] == "filled"
    assert after.order(leaving["id"])["status"] == "canceled"


def test_a_restart_on_a_full_disk_waits_for_space_and_loses_nothing(running: Running) -> None:
    filling = running.place(side="buy", type="limit", price=running.at("0.99"))
    with full_disk(running):
        running.pin("0.98")
        running.await_status("filled", filling)
        before = running.account()
        running.api.ask("POST", "/bot/restart", expect=202)
        assert wait_until(lambda: running.api.get("/bot")["state"] == "failed")
        assert running.api.get("/bot")["reason"] == "the order journal cannot be written"
        assert running.post(side="buy", type="market").status == 503
    running.api.wait_until_ready()
    assert running.account() == before
    assert running.post(side="buy", type="market").status == 201


def test_a_pause_on_a_full_disk_holds_and_says_that_a_restart_would_forget_it(
    running: Running,
) -> None:
    with full_disk(running):
        answer = running.api.send("POST", "/bot/pause")
        assert (answer.status, answer.json["type"]) == (503, "journal_unavailable")
        assert answer.json["details"] == "the bot is paused, but a restart would forget it"
        assert running.api.get("/bot")["state"] == "paused"
    running.api.wait_until_ready()
    running.kill_process()
    assert running.api.get("/bot")["state"] == "paused"
    running.api.ask("POST", "/bot/resume")
