"""A bot whose loop is held up, and who may still read and command then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import TestResponse as Response

from backend.services import services_of
from tests.app_with_bot import AppWithBot, RoleClient, app_settings
from tests.bridge.live_bridge import TIMEOUT_S, wait_until
from tests.waiting import shutting_down

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "30000"}


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppWithBot]:
    settings = app_settings(tmp_path_factory.mktemp("home"), bot_queue=6, bot_lag=0.1)
    with shutting_down(AppWithBot(settings)) as app_with_bot:
        yield app_with_bot.boot()


@pytest.fixture
def app_with_bot(shared_app: AppWithBot) -> Iterator[AppWithBot]:
    """A bot that keeps up."""
    yield shared_app
    shared_app.live.sink.passes.set()
    assert wait_until(
        lambda: (
            shared_app.live.bridge.lag_monitor.lag_s < 0.1 and not shared_app.live.bridge.waiting
        )
    )


def hold(app_with_bot: AppWithBot) -> None:
    """Hold the bot's loop, and wait until that shows."""
    app_with_bot.live.sink.passes.clear()
    assert wait_until(lambda: app_with_bot.live.bridge.lag_monitor.lag_s > 0.3)


def test_a_bot_whose_loop_is_held_is_late_until_it_goes_on(app_with_bot: AppWithBot) -> None:
    bridge = app_with_bot.live.bridge
    hold(app_with_bot)
    app_with_bot.live.sink.passes.set()
    assert wait_until(lambda: bridge.lag_monitor.lag_s < 0.1)
    assert bridge.lag_monitor.worst_lag_s > 0.2


def test_the_heaviest_callers_reads_wait_while_the_bot_is_late(app_with_bot: AppWithBot) -> None:
    hold(app_with_bot)

    def refuse(caller: RoleClient) -> bool:
        answers = [caller.request_any("GET", "/portfolio") for _ in range(30)]
        return any(answer.status_code == 503 for answer in answers)

    assert wait_until(lambda: refuse(app_with_bot.admin))
    assert services_of(app_with_bot.app).load_shedding.refused > 0
    app_with_bot.viewer.get("/portfolio")
    app_with_bot.live.sink.passes.set()
    assert wait_until(lambda: not refuse(app_with_bot.admin))


def test_a_refused_read_says_when_to_come_back(app_with_bot: AppWithBot) -> None:
    hold(app_with_bot)
    answer = next(
        answer
        for _ in range(10_000)
        if (answer := app_with_bot.admin.request_any("GET", "/orders")).status_code != 200
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["type"] == "bot_strained"


def refresh(caller: RoleClient, count: int) -> list[threading.Thread]:
    """Run a call on the bot's loop several times concurrently."""
    threads = [
        threading.Thread(target=caller.new_client().request, args=("POST", "/portfolio/refresh"))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def test_one_user_cannot_take_all_of_the_queue(app_with_bot: AppWithBot) -> None:
    hold(app_with_bot)
    waiting = refresh(app_with_bot.trader, 3)
    assert wait_until(lambda: app_with_bot.live.bridge.waiting == 3)
    problem = app_with_bot.trader.request_any("POST", "/portfolio/refresh")
    assert (problem.status_code, problem.headers["Retry-After"]) == (503, "1")
    waiting += refresh(app_with_bot.admin, 1)
    assert wait_until(lambda: app_with_bot.live.bridge.waiting == 4)
    app_with_bot.live.sink.passes.set()
    for thread in waiting:
        thread.join(TIMEOUT_S)
    assert app_with_bot.live.bridge.waiting == 0


def test_brakes_are_neither_shed_nor_refused_for_a_full_queue(app_with_bot: AppWithBot) -> None:
    hold(app_with_bot)
    trader = app_with_bot.trader
    assert wait_until(
        lambda: any(trader.request_any("GET", "/orders").status_code == 503 for _ in range(30))
    )
    waiting = refresh(trader, 3)
    assert wait_until(lambda: app_with_bot.live.bridge.waiting == 3)
    assert trader.request_any("POST", "/portfolio/refresh").json["type"] == "bot_busy"
    with ThreadPoolExecutor(8) as threads:
        clients = [trader.new_client() for _ in range(8)]
        brakes = [threads.submit(disarm, client) for client in clients]
        assert wait_until(lambda: app_with_bot.live.bridge.waiting == 11)
        app_with_bot.live.sink.passes.set()
        assert {brake.result(TIMEOUT_S).status_code for brake in brakes} == {200}
    for thread in waiting:
        thread.join(TIMEOUT_S)


def disarm(client: RoleClient) -> Response:
    return client.request("POST", "/orders/cancel-all-after", json={"timeout_s": 0})


def test_a_command_that_found_no_room_was_not_begun_and_may_be_sent_again(
    app_with_bot: AppWithBot,
) -> None:
    hold(app_with_bot)
    waiting = refresh(app_with_bot.trader, 3)
    assert wait_until(lambda: app_with_bot.live.bridge.waiting == 3)
    order = {**ORDER, "client_order_id": "again"}
    assert app_with_bot.trader.post("/orders", order, expect=503)["type"] == "bot_busy"
    app_with_bot.live.sink.passes.set()
    for thread in waiting:
        thread.join(TIMEOUT_S)
    placed = app_with_bot.trader.post("/orders", order, expect=201)
    assert app_with_bot.trader.get("/orders") == [placed]
