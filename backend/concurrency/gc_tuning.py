"""When Python looks for garbage: not again and again among what stays for good.

A full collection looks at every object there is while all threads stand still.
In a process with an OctoBot in it that is 0.1 s with two symbols and half a
second with two hundred, every few seconds, for some dozen objects that it finds:
nearly all garbage is young, and found in the small collections, or goes at once.
"""

from __future__ import annotations

import gc

RARELY = 100
"""How many middle collections there are to a full one; Python's own figure is 10."""


def freeze_startup_objects() -> None:
    """Collect once with care, and leave what is here out of all collections to come.

    The next call takes it in again: for each boot of a bot, when nothing trades.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, RARELY)
    gc.unfreeze()
    gc.collect()
    gc.freeze()
