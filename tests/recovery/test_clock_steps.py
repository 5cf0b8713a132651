"""A server that starts with a clock a day wrong: the dead-man switch fires, the owner gets in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recovery.running_server import RunningServer, running_server_at

pytestmark = pytest.mark.long
DAY_S = 86_400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server_at(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S])
def test_an_armed_switch_fires_in_time_though_the_clock_is_another(
    server: RunningServer, step_s: int
) -> None:
    order = server.place(side="buy", type="limit", price=server.at("0.5"))
    server.api.ask("POST", "/orders/cancel-all-after", {"timeout_s": 4})
    server.restart_process(clock_shift_s=step_s)
    server.api.login()
    server.await_status("canceled", order)
    later = server.place(side="buy", type="limit", price=server.at("0.5"))
    server.api.ask("POST", "/orders/cancel-all-after", {"timeout_s": 1})
    server.await_status("canceled", later)
    server.restart_process()
    server.api.login()
    assert server.post(side="buy", type="market").status == 201


def test_what_was_placed_by_a_clock_that_ran_ahead_is_canceled_too(server: RunningServer) -> None:
    server.restart_process(clock_shift_s=DAY_S)
    server.api.login()
    order = server.place(side="buy", type="limit", price=server.at("0.5"))
    server.restart_process()
    server.api.login()
    server.api.ask("POST", "/orders/cancel-all-after", {"timeout_s": 1})
    server.await_status("canceled", order)
