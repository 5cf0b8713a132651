"""A bot whose loop is held up, and who may still read and command then."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from backend.middleware.load_shedding import load_shedding
from tests.app_with_bot import Caller, Office, office_settings
from tests.bridge.live_bridge import TIMEOUT_S, wait_until
from tests.waiting import shut_in_the_end

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "30000"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    settings = office_settings(tmp_path_factory.mktemp("home"), bot_queue=6, bot_lag=0.1)
    with shut_in_the_end(Office(settings)) as office:
        yield office.boot()


@pytest.fixture
def office(shared: Office) -> Iterator[Office]:
    """A bot that keeps up."""
    yield shared
    shared.live.sink.passes.set()
    assert wait_until(
        lambda: shared.live.bridge.lag_monitor.lag_s < 0.1 and not shared.live.bridge.waiting
    )


def hold(office: Office) -> None:
    """Hold the bot's loop, and wait until that shows."""
    office.live.sink.passes.clear()
    assert wait_until(lambda: office.live.bridge.lag_monitor.lag_s > 0.3)


def test_a_bot_whose_loop_is_held_is_late_until_it_goes_on(office: Office) -> None:
    bridge = office.live.bridge
    hold(office)
    office.live.sink.passes.set()
    assert wait_until(lambda: bridge.lag_monitor.lag_s < 0.1)
    assert bridge.lag_monitor.worst_lag_s > 0.2


def test_the_heaviest_callers_reads_wait_while_the_bot_is_late(office: Office) -> None:
    hold(office)

    def refuse(caller: Caller) -> bool:
        answers = [caller.ask_any("GET", "/portfolio") for _ in range(30)]
        return any(answer.status_code == 503 for answer in answers)

    assert wait_until(lambda: refuse(office.admin))
    assert load_shedding(office.app).refused > 0
    office.viewer.get("/portfolio")
    office.live.sink.passes.set()
    assert wait_until(lambda: not refuse(office.admin))


def test_a_refused_read_says_when_to_come_back(office: Office) -> None:
    hold(office)
    answer = next(
        answer
        for _ in range(10_000)
        if (answer := office.admin.ask_any("GET", "/orders")).status_code != 200
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["type"] == "bot_strained"


def refresh(caller: Caller, count: int) -> list[threading.Thread]:
    """Have something done on the bot's loop, as often at once."""
    threads = [
        threading.Thread(target=caller.again().ask, args=("POST", "/portfolio/refresh"))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def test_one_user_cannot_take_all_of_the_queue(office: Office) -> None:
    hold(office)
    waiting = refresh(office.trader, 3)
    assert wait_until(lambda: office.live.bridge.waiting == 3)
    problem = office.trader.ask_any("POST", "/portfolio/refresh")
    assert (problem.status_code, problem.headers["Retry-After"]) == (503, "1")
    waiting += refresh(office.admin, 1)
    assert wait_until(lambda: office.live.bridge.waiting == 4)
    office.live.sink.passes.set()
    for thread in waiting:
        thread.join(TIMEOUT_S)
    assert office.live.bridge.waiting == 0


def test_a_command_that_found_no_room_was_not_begun_and_may_be_sent_again(office: Office) -> None:
    hold(office)
    waiting = refresh(office.trader, 3)
    assert wait_until(lambda: office.live.bridge.waiting == 3)
    order = {**ORDER, "client_order_id": "again"}
    assert office.trader.post("/orders", order, expect=503)["type"] == "bot_busy"
    office.live.sink.passes.set()
    for thread in waiting:
        thread.join(TIMEOUT_S)
    placed = office.trader.post("/orders", order, expect=201)
    assert office.trader.get("/orders") == [placed]
