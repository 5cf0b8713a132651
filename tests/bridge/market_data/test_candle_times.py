"""Candles told as closed or running while this machine's clock is wrong."""

from __future__ import annotations

import pytest
import time_machine

from backend.bridge.market_data.candles import read_candles

START = 1_900_000_000 // 60 * 60
FIGURES = [100.0, 101.0, 99.0, 100.5, 3.0]
ROWS = [[START + 60.0 * minute, *FIGURES] for minute in range(3)]


@pytest.mark.parametrize(
    ("clock", "closed"),
    [
        (START + 150, [True, True, False]),
        (START + 180, [True, True, True]),
        (START + 150 - 86_400, [True, True, False]),
    ],
    ids=["right", "right and later", "a day behind"],
)
def test_a_candle_that_another_follows_is_closed(clock: int, closed: list[bool]) -> None:
    with time_machine.travel(clock, tick=False):
        candles = read_candles(ROWS, "1m")
    assert [candle.closed for candle in candles] == closed
    assert candles[0].time.timestamp() == START
