"""Requests that race each other, over HTTP: each ends in an outcome that was stated before."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.recovery.running_server import RunningServer, run_concurrently
from tests.server_process import Answer, wait_until

pytestmark = pytest.mark.long

TWINS = 50
ROUNDS = 16


class Lead:
    """How far the first of two racers goes ahead of the second: it moves to where they meet.

    Each wins some of many rounds, then, however fast the machine is.
    """

    def __init__(self, lead_s: float = 0.0, step_s: float = 0.004) -> None:
        self._lead_s, self._step_s = lead_s, step_s
        self._won: bool | None = None

    def waits(self) -> tuple[float, float]:
        """Return how long the first and the second of them wait."""
        return max(0.0, -self._lead_s), max(0.0, self._lead_s)

    def note(self, won: bool) -> None:
        """Note whether the first one won."""
        if self._won is not None:
            self._step_s *= 2 if won is self._won else 0.5
        self._won = won
        self._lead_s += -self._step_s if won else self._step_s


@pytest.mark.parametrize("key", [{"key": "twins"}, {"client_order_id": "twins"}])
def test_fifty_identical_posts_place_one_order_and_get_one_answer(
    server: RunningServer, key: dict[str, str]
) -> None:
    before = server.account_state()
    answers = run_concurrently([lambda: server.post(side="buy", type="market", **key)] * TWINS)
    assert {answer.status for answer in answers} == {201}
    assert all(answer.data == answers[0].data for answer in answers)
    after = server.account_state()
    assert after.orders[0] == answers[0].data
    assert len(after.orders) == len(before.orders) + 1
    assert len(after.trades) == len(before.trades) + 1


def test_of_two_bodies_under_one_key_one_wins_and_the_other_is_told(server: RunningServer) -> None:
    before = server.account_state()
    answers = run_concurrently(
        [lambda: server.post("rivals", side="buy", type="market", quantity="0.1")] * 10
        + [lambda: server.post("rivals", side="buy", type="market", quantity="0.2")] * 10
    )
    won = [answer.data for answer in answers if answer.status == 201]
    lost = [answer.json["type"] for answer in answers if answer.status == 409]
    assert len(won) == len(lost) == 10
    assert {order["id"] for order in won} == {won[0]["id"]}
    assert set(lost) == {"duplicate_order"}
    assert len(server.account_state().orders) == len(before.orders) + 1
    again = server.post("rivals", side="buy", type="market", quantity="0.3")
    assert (again.status, again.json["type"]) == (409, "duplicate_order")


def test_a_cancel_that_races_a_fill_ends_in_one_of_the_two(server: RunningServer) -> None:
    ends: Counter[str] = Counter()
    lead = Lead()
    for _round in range(ROUNDS):
        server.pin("1")
        order = server.place(side="buy", type="limit", price=server.at("0.99"))
        wait_cancel, wait_fill = lead.waits()

        def cancel(path: str = f"/orders/{order['id']}", wait_s: float = wait_cancel) -> Answer:
            time.sleep(wait_s)
            return server.api.send("DELETE", path)

        def fill(wait_s: float = wait_fill) -> None:
            time.sleep(wait_s)
            server.pin("0.985")

        answer, _ = run_concurrently([cancel, fill])
        ended = server.account_state().order(order["id"])
        if answer.status == 200:
            assert answer.data == ended
        else:
            assert (answer.status, answer.json["type"]) == (409, "order_not_open")
            assert ended["status"] == "filled"
        ends[ended["status"]] += 1
        lead.note(ended["status"] == "canceled")
    assert set(ends) == {"filled", "canceled"}


def test_an_edit_that_races_a_cancel_comes_before_it_or_not_at_all(server: RunningServer) -> None:
    ends: Counter[int] = Counter()
    lead = Lead()
    for _round in range(ROUNDS):
        order = server.place(side="buy", type="limit", price=server.at("0.9"))
        path = f"/orders/{order['id']}"
        wait_edit, wait_cancel = lead.waits()

        def edit(path: str = path, wait_s: float = wait_edit) -> Answer:
            time.sleep(wait_s)
            return server.api.send("PATCH", path, {"quantity": "0.2"})

        def cancel(path: str = path, wait_s: float = wait_cancel) -> Answer:
            time.sleep(wait_s)
            return server.api.send("DELETE", path)

        edited, canceled = run_concurrently([edit, cancel])
        assert canceled.status == 200
        ended = server.account_state().order(order["id"])
        assert ended == canceled.data
        if edited.status == 200:
            assert (ended["status"], ended["quantity"]) == ("canceled", "0.2")
        else:
            assert (edited.status, edited.json["type"]) == (409, "order_not_open")
            assert (ended["status"], ended["quantity"]) == ("canceled", "0.1")
        ends[edited.status] += 1
        lead.note(edited.status == 200)
    assert set(ends) == {200, 409}
    assert server.account_state().locked == {}


def test_an_edit_that_races_a_fill_comes_before_it_or_not_at_all(server: RunningServer) -> None:
    ends: Counter[int] = Counter()
    lead = Lead()
    for _round in range(ROUNDS):
        server.pin("1")
        order = server.place(side="sell", type="limit", price=server.at("1.01"))
        wait_edit, wait_fill = lead.waits()

        def edit(path: str = f"/orders/{order['id']}", wait_s: float = wait_edit) -> Answer:
            time.sleep(wait_s)
            return server.api.send("PATCH", path, {"quantity": "0.2"})

        def fill(wait_s: float = wait_fill) -> None:
            time.sleep(wait_s)
            server.pin("1.02")

        edited, _ = run_concurrently([edit, fill])
        server.await_status("filled", order)
        filled = server.account_state().order(order["id"])["filled"]
        if edited.status == 200:
            assert filled == "0.2"
        else:
            # the market may have come to the limit before the order was filled there
            assert edited.json["type"] in ("order_not_open", "price_would_take_at_once")
            assert filled == "0.1"
        ends[edited.status] += 1
        lead.note(edited.status == 200)
    assert ends[200]
    assert len(ends) > 1


def test_what_is_created_during_cancel_alls_is_canceled_or_open(server: RunningServer) -> None:
    over = threading.Event()
    price = server.at("0.8")

    def create() -> list[dict[str, Any]]:
        orders = [
            server.place(side="buy", type="limit", price=price, quantity="0.001") for _ in range(40)
        ]
        over.set()
        return orders

    def cancel_all() -> list[dict[str, Any]]:
        results = []
        while not over.is_set():
            results += server.api.ask("DELETE", "/orders")
        return results

    *created, first, second = run_concurrently([create, create, cancel_all, cancel_all])
    results = first + second + server.api.ask("DELETE", "/orders")
    results += server.api.ask("DELETE", "/orders")
    assert [result["problem"] for result in results if result["problem"]] == []
    ids = [order["id"] for orders in created for order in orders]
    assert {result["id"] for result in results} == set(ids)
    found = server.account_state()
    assert {found.order(order_id)["status"] for order_id in ids} == {"canceled"}
    assert found.locked == {}


def batch(server: RunningServer, name: str) -> Answer:
    """Post fifty orders at once, under a key."""
    orders = [
        {
            "symbol": "BTC/USDT",
            "side": "buy",
            "quantity": "0.001",
            "tag": f"{name}-{index}",
            **({"type": "market"} if index % 2 else {"type": "limit", "price": server.at("0.7")}),
        }
        for index in range(50)
    ]
    headers = {"Idempotency-Key": name}
    return server.api.send("POST", "/orders/batch", {"orders": orders}, headers)


def test_a_restart_during_a_batch_leaves_each_order_placed_or_not(server: RunningServer) -> None:
    cuts, lead = 0, Lead(lead_s=0.06, step_s=0.03)
    for round_ in range(4):
        name, (wait_batch, wait_restart) = f"batch{round_}", lead.waits()

        def send(name: str = name, wait_s: float = wait_batch) -> Answer:
            time.sleep(wait_s)
            return batch(server, name)

        def restart(wait_s: float = wait_restart) -> None:
            time.sleep(wait_s)
            server.api.ask("POST", "/bot/restart", expect=202)

        answer, _ = run_concurrently([send, restart])
        assert answer.status == 200
        server.api.wait_until_ready()
        outcomes = [r["order"]["id"] if r["order"] else r["problem"]["type"] for r in answer.data]
        by_tag = orders_of(server, name)
        for index, outcome in enumerate(outcomes):
            placed = by_tag.get(f"{name}-{index}", [])
            if outcome == "bot_not_ready":
                assert placed == []
            elif outcome == "order_state_unknown":
                assert len(placed) == 1
            else:
                assert [order["id"] for order in placed] == [outcome]
        is_cut = not {"bot_not_ready", "order_state_unknown"}.isdisjoint(outcomes)
        cuts += is_cut
        lead.note(not is_cut)

        again = batch(server, name).data
        assert [result["problem"] for result in again if result["problem"]] == []
        by_tag = orders_of(server, name)
        assert {len(orders) for orders in by_tag.values()} == {1}
        assert [r["order"]["id"] for r in again] == [
            by_tag[f"{name}-{index}"][0]["id"] for index in range(50)
        ]
    assert cuts


def orders_of(server: RunningServer, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the orders of a batch, by tag."""
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for order in server.account_state().orders:
        if str(order["tag"]).startswith(f"{name}-"):
            by_tag.setdefault(order["tag"], []).append(order)
    return by_tag


def test_a_pause_during_creates_takes_no_order_after_its_answer(server: RunningServer) -> None:
    paused = threading.Event()
    created: dict[str, list[tuple[bool, str, Answer]]] = {"a": [], "b": []}

    def create(name: str) -> None:
        answers = created[name]
        while sum(was_paused for was_paused, _, _ in answers) < 5:
            tag = f"pause-{name}-{len(answers)}"
            was_paused = paused.is_set()
            answers.append((was_paused, tag, server.post(side="buy", type="market", tag=tag)))

    def pause() -> None:
        try:
            assert wait_until(lambda: all(len(answers) > 10 for answers in created.values()))
            assert server.api.ask("POST", "/bot/pause")["state"] == "paused"
        finally:
            paused.set()

    run_concurrently([lambda: create("a"), lambda: create("b"), pause])
    tags = {order["tag"] for order in server.account_state().orders}
    after = Counter(answer.status for rows in created.values() for was, _, answer in rows if was)
    assert set(after) == {409}
    for _, tag, answer in [row for rows in created.values() for row in rows]:
        assert (answer.status == 201) == (tag in tags)
        assert answer.status == 201 or answer.json["type"] == "trading_paused"
    server.api.ask("POST", "/bot/resume")
    assert server.post(side="buy", type="market").status == 201
