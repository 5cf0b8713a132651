"""Requests that race each other, over HTTP: each ends in an outcome that was stated before."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.faults.processes import Answer
from tests.faults.running import Running, at_once

pytestmark = pytest.mark.long

TWINS = 50
ROUNDS = 16
CANCELS_WITHIN_S = 0.03
FILLS_WITHIN_S = 0.5
"""A pinned price is traded at within a quarter of a second."""


def leads(round_: int, within_s: float) -> tuple[float, float]:
    """Return what two racers wait: from the first well ahead to the second well ahead."""
    lead_s = (round_ - ROUNDS / 2) / ROUNDS * within_s
    return max(0.0, lead_s), max(0.0, -lead_s)


@pytest.mark.parametrize("key", [{"key": "twins"}, {"client_order_id": "twins"}])
def test_fifty_identical_posts_place_one_order_and_get_one_answer(
    running: Running, key: dict[str, str]
) -> None:
    before = running.books()
    answers = at_once([lambda: running.post(side="buy", type="market", **key)] * TWINS)
    assert {answer.status for answer in answers} == {201}
    assert all(answer.data == answers[0].data for answer in answers)
    after = running.books()
    assert after.orders[0] == answers[0].data
    assert len(after.orders) == len(before.orders) + 1
    assert len(after.trades) == len(before.trades) + 1


def test_of_two_bodies_under_one_key_one_wins_and_the_other_is_told(running: Running) -> None:
    before = running.books()
    answers = at_once(
        [lambda: running.post("rivals", side="buy", type="market", quantity="0.1")] * 10
        + [lambda: running.post("rivals", side="buy", type="market", quantity="0.2")] * 10
    )
    won = [answer.data for answer in answers if answer.status == 201]
    lost = [answer.json["type"] for answer in answers if answer.status == 409]
    assert len(won) == len(lost) == 10
    assert {order["id"] for order in won} == {won[0]["id"]}
    assert set(lost) == {"duplicate_order"}
    assert len(running.books().orders) == len(before.orders) + 1
    again = running.post("rivals", side="buy", type="market", quantity="0.3")
    assert (again.status, again.json["type"]) == (409, "duplicate_order")


def test_a_cancel_that_races_a_fill_ends_in_one_of_the_two(running: Running) -> None:
    ends: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        running.pin("1")
        order = running.place(side="buy", type="limit", price=running.at("0.99"))
        wait_cancel, wait_fill = leads(round_, FILLS_WITHIN_S)

        def cancel(path: str = f"/orders/{order['id']}", wait_s: float = wait_cancel) -> Answer:
            time.sleep(wait_s)
            return running.api.send("DELETE", path)

        def fill(wait_s: float = wait_fill) -> None:
            time.sleep(wait_s)
            running.pin("0.985")

        answer, _ = at_once([cancel, fill])
        ended = running.books().order(order["id"])
        if answer.status == 200:
            assert answer.data == ended
        else:
            assert (answer.status, answer.json["type"]) == (409, "order_not_open")
            assert ended["status"] == "filled"
        ends[ended["status"]] += 1
    assert set(ends) == {"filled", "canceled"}


def test_an_edit_that_races_a_cancel_comes_before_it_or_not_at_all(running: Running) -> None:
    ends: Counter[int] = Counter()
    for round_ in range(ROUNDS):
        order = running.place(side="buy", type="limit", price=running.at("0.9"))
        path = f"/orders/{order['id']}"
        wait_edit, wait_cancel = leads(round_, CANCELS_WITHIN_S)

        def edit(path: str = path, wait_s: float = wait_edit) -> Answer:
            time.sleep(wait_s)
            return running.api.send("PATCH", path, {"quantity": "0.2"})

        def cancel(path: str = path, wait_s: float = wait_cancel) -> Answer:
            time.sleep(wait_s)
            return running.api.send("DELETE", path)

        edited, canceled = at_once([edit, cancel])
        assert canceled.status == 200
        ended = running.books().order(order["id"])
        assert ended == canceled.data
        if edited.status == 200:
            assert (ended["status"], ended["quantity"]) == ("canceled", "0.2")
        else:
            assert (edited.status, edited.json["type"]) == (409, "order_not_open")
            assert (ended["status"], ended["quantity"]) == ("canceled", "0.1")
        ends[edited.status] += 1
    assert set(ends) == {200, 409}
    assert running.books().locked == {}


def test_an_edit_that_races_a_fill_comes_before_it_or_not_at_all(running: Running) -> None:
    ends: Counter[int] = Counter()
    for round_ in range(ROUNDS):
        running.pin("1")
        order = running.place(side="sell", type="limit", price=running.at("1.01"))
        wait_edit, wait_fill = leads(round_, FILLS_WITHIN_S)

        def edit(path: str = f"/orders/{order['id']}", wait_s: float = wait_edit) -> Answer:
            time.sleep(wait_s)
            return running.api.send("PATCH", path, {"quantity": "0.2"})

        def fill(wait_s: float = wait_fill) -> None:
            time.sleep(wait_s)
            running.pin("1.02")

        edited, _ = at_once([edit, fill])
        running.await_status("filled", order)
        filled = running.books().order(order["id"])["filled"]
        if edited.status == 200:
            assert filled == "0.2"
        else:
            # the market may have come to the limit before the order was filled there
            assert edited.json["type"] in ("order_not_open", "price_would_take_at_once")
            assert filled == "0.1"
        ends[edited.status] += 1
    assert ends[200]
    assert len(ends) > 1


def test_what_is_created_during_cancel_alls_is_canceled_or_open(running: Running) -> None:
    over = threading.Event()
    price = running.at("0.8")

    def create() -> list[dict[str, Any]]:
        orders = [
            running.place(side="buy", type="limit", price=price, quantity="0.001")
            for _ in range(40)
        ]
        over.set()
        return orders

    def cancel_all() -> list[dict[str, Any]]:
        results = []
        while not over.is_set():
            results += running.api.ask("DELETE", "/orders")
        return results

    *created, first, second = at_once([create, create, cancel_all, cancel_all])
    results = first + second + running.api.ask("DELETE", "/orders")
    results += running.api.ask("DELETE", "/orders")
    assert [result["problem"] for result in results if result["problem"]] == []
    ids = [order["id"] for orders in created for order in orders]
    assert {result["id"] for result in results} == set(ids)
    found = running.books()
    assert {found.order(order_id)["status"] for order_id in ids} == {"canceled"}
    assert found.locked == {}


def batch(running: Running, name: str) -> Answer:
    """Post fifty orders at once, under a key."""
    orders = [
        {
            "symbol": "BTC/USDT",
            "side": "buy",
            "quantity": "0.001",
            "tag": f"{name}-{index}",
            **({"type": "market"} if index % 2 else {"type": "limit", "price": running.at("0.7")}),
        }
        for index in range(50)
    ]
    headers = {"Idempotency-Key": name}
    return running.api.send("POST", "/orders/batch", {"orders": orders}, headers)


def test_a_restart_during_a_batch_leaves_each_order_placed_or_not(running: Running) -> None:
    cut = 0
    for round_ in range(4):
        name = f"batch{round_}"

        def restart(wait_s: float = 0.03 * (round_ + 1)) -> None:
            time.sleep(wait_s)
            running.api.ask("POST", "/bot/restart", expect=202)

        answer, _ = at_once([lambda name=name: batch(running, name), restart])
        assert answer.status == 200
        running.api.wait_until_ready()
        outcomes = [r["order"]["id"] if r["order"] else r["problem"]["type"] for r in answer.data]
        by_tag = orders_of(running, name)
        for index, outcome in enumerate(outcomes):
            placed = by_tag.get(f"{name}-{index}", [])
            if outcome == "bot_not_ready":
                assert placed == []
            elif outcome == "order_state_unknown":
                assert len(placed) == 1
            else:
                assert [order["id"] for order in placed] == [outcome]
        cut += len({*outcomes} & {"bot_not_ready", "order_state_unknown"})

        again = batch(running, name).data
        assert [result["problem"] for result in again if result["problem"]] == []
        by_tag = orders_of(running, name)
        assert {len(orders) for orders in by_tag.values()} == {1}
        assert [r["order"]["id"] for r in again] == [
            by_tag[f"{name}-{index}"][0]["id"] for index in range(50)
        ]
    assert cut


def orders_of(running: Running, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the orders of a batch, by tag."""
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for order in running.books().orders:
        if str(order["tag"]).startswith(f"{name}-"):
            by_tag.setdefault(order["tag"], []).append(order)
    return by_tag


def test_a_pause_during_creates_takes_no_order_after_its_answer(running: Running) -> None:
    paused, over = threading.Event(), threading.Event()

    def create(name: str) -> list[tuple[bool, str, Answer]]:
        answers = []
        while not over.is_set():
            tag = f"pause-{name}-{len(answers)}"
            was_paused = paused.is_set()
            answers.append((was_paused, tag, running.post(side="buy", type="market", tag=tag)))
        return answers

    def pause() -> None:
        time.sleep(0.2)
        assert running.api.ask("POST", "/bot/pause")["state"] == "paused"
        paused.set()
        time.sleep(0.2)
        over.set()

    *created, _ = at_once([lambda: create("a"), lambda: create("b"), pause])
    tags = {order["tag"] for order in running.books().orders}
    after = Counter(answer.status for rows in created for was, _, answer in rows if was)
    assert set(after) == {409}
    for _, tag, answer in [row for rows in created for row in rows]:
        assert (answer.status == 201) == (tag in tags)
        assert answer.status == 201 or answer.json["type"] == "trading_paused"
    running.api.ask("POST", "/bot/resume")
    assert running.post(side="buy", type="market").status == 201
