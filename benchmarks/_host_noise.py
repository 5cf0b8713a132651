"""Steal time of a virtual machine's host, and repeated measurements without it.

Processor time that the host gives to other machines worsens every latency, the 99th
percentiles most of all, and says nothing about the measured program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from benchmarks._http_load import Figures
from benchmarks._probes import quantiles

CALM_PERCENT = 3.0
TRIES = 4
PAUSE_S = 1.0
"""The pause between two attempts: steal by other machines mostly lasts for seconds."""
MOST_AGAIN_S = 12.0
"""The total time that a script may spend on repeated measurements."""
_IDLE, _WAITING, _STOLEN, _ALL = 3, 4, 7, 8


_again_s = 0.0


def quietest_run(measure: Callable[[], Figures]) -> Figures:
    """Measure, again if much time was stolen, and return the result with the least steal.

    Nothing is repeated any more once repetitions have taken `MOST_AGAIN_S`.

    Adds `stolen_percent`: the stolen share of the processor time that was wanted.
    """
    found: list[Figures] = []
    global _again_s
    while len(found) < TRIES and (not found or _again_s < MOST_AGAIN_S):
        started = time.monotonic()
        time.sleep(PAUSE_S if found else 0)
        before = _times()
        figures = measure()
        _again_s += time.monotonic() - started if found else 0.0
        found.append({**figures, "stolen_percent": _stolen_percent(before, _times())})
        if found[-1]["stolen_percent"] <= CALM_PERCENT:
            break
    return min(found, key=lambda figures: figures["stolen_percent"])


class _Slice(NamedTuple):
    stolen_percent: float
    taken_ms: list[float]


def in_turns(rows: Mapping[str, Callable[[], list[float]]], rounds: int) -> dict[str, Figures]:
    """Measure a slice of each row in turns; return the quantiles of each row's calmer half.

    That is the half of its slices with the least steal. `stolen_percent` is the maximum
    of those slices.
    """
    slices: dict[str, list[_Slice]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, measure in rows.items():
            before = _times()
            taken_ms = measure()
            slices[name].append(_Slice(_stolen_percent(before, _times()), taken_ms))
    return {name: _of_calmer_half(found) for name, found in slices.items()}


def _of_calmer_half(slices: list[_Slice]) -> Figures:
    calm = sorted(slices, key=lambda one: one.stolen_percent)[: (len(slices) + 1) // 2]
    taken_ms = chain.from_iterable(one.taken_ms for one in calm)
    return {**quantiles(list(taken_ms)), "stolen_percent": calm[-1].stolen_percent}


def _times() -> list[int]:
    """Return the time of all processors in each state; empty where it is not reported."""
    with suppress(OSError):
        first = Path("/proc/stat").read_text().splitlines()[0]
        return [int(ticks) for ticks in first.split()[1 : 1 + _ALL]]
    return [0] * _ALL


def _stolen_percent(before: list[int], after: list[int]) -> float:
    spent = [now - then for then, now in zip(before, after, strict=True)]
    wanted = sum(spent) - spent[_IDLE] - spent[_WAITING]
    return 100 * spent[_STOLEN] / wanted if wanted else 0.0
