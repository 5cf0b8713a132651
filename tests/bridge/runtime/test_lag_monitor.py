"""How often the bot's loop is asked how late it is."""

from __future__ import annotations

import asyncio
import time

from backend.bridge.runtime.lag_monitor import IDLE_INTERVAL_S, LagMonitor


def test_nobody_looks_and_the_loop_is_hardly_woken() -> None:
    async def idle(lag_monitor: LagMonitor) -> float:
        begun = time.monotonic()
        lag_monitor.start()
        await asyncio.sleep(2.5 * IDLE_INTERVAL_S)
        lag_monitor.stop()
        return time.monotonic() - begun

    lag_monitor = LagMonitor()
    idle_s = asyncio.run(idle(lag_monitor))
    assert len(lag_monitor.lags_s) <= idle_s / IDLE_INTERVAL_S


def test_who_looks_is_told_what_held_the_loop_up() -> None:
    async def held(lag_monitor: LagMonitor) -> float:
        lag_monitor.start()
        while len(lag_monitor.lags_s) < 20:
            assert lag_monitor.lag_s >= 0
            await asyncio.sleep(0.01)
        time.sleep(0.3)
        overdue = lag_monitor.lag_s
        lag_monitor.stop()
        return overdue

    lag_monitor = LagMonitor()
    assert asyncio.run(held(lag_monitor)) > 0.2
    assert lag_monitor.lag_s == 0
