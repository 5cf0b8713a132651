"""Garbage collection tuning: objects of the startup are frozen, full collections are rarer.

A full collection scans every object while all threads stand still. In a process with an
OctoBot that takes 0.1 s with two symbols and half a second with two hundred, every few
seconds, to find some dozen objects: nearly all garbage is young, and found in the small
collections, or freed at once by its reference count.
"""

from __future__ import annotations

import gc

FULL_COLLECTION_THRESHOLD = 100
"""The number of middle collections per full one; Python's default is 10."""


def freeze_startup_objects() -> None:
    """Collect fully once, then exclude the remaining objects from all later collections.

    The next call includes them again: call it at each boot of a bot, when nothing trades.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION_THRESHOLD)
    gc.unfreeze()
    gc.collect()
    gc.freeze()
