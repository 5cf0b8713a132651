"""How often the bot's loop is asked how late it is."""

from __future__ import annotations

import asyncio
import time

from backend.bridge.runtime.lag_monitor import IDLE_BEAT_S, Pulse


def test_nobody_looks_and_the_loop_is_hardly_woken() -> None:
    async def idle(pulse: Pulse) -> float:
        begun = time.monotonic()
        pulse.start()
        await asyncio.sleep(2.5 * IDLE_BEAT_S)
        pulse.stop()
        return time.monotonic() - begun

    pulse = Pulse()
    idle_s = asyncio.run(idle(pulse))
    assert len(pulse.lags_s) <= idle_s / IDLE_BEAT_S


def test_who_looks_is_told_what_held_the_loop_up() -> None:
    async def held(pulse: Pulse) -> float:
        pulse.start()
        while len(pulse.lags_s) < 20:
            assert pulse.lag_s >= 0
            await asyncio.sleep(0.01)
        time.sleep(0.3)
        overdue = pulse.lag_s
        pulse.stop()
        return overdue

    pulse = Pulse()
    assert asyncio.run(held(pulse)) > 0.2
    assert pulse.lag_s == 0
