"""Counter-based random numbers: each index of a seeded stream always has the same value.

Only exact arithmetic and table look-ups: a value must not depend on how many others
are computed with it, as the last bit of a vectorised `log` may.
"""

from __future__ import annotations

import hashlib
from math import log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_BITS = 12
_MIDPOINTS = [(i + 0.5) / 2**_BITS for i in range(2**_BITS)]
_NORMAL = np.array([NormalDist().inv_cdf(p) for p in _MIDPOINTS])
_EXPONENTIAL = np.array([-log(1 - p) for p in _MIDPOINTS])


class RandomStream:
    """One independent stream of random numbers, identified by a seed and a label."""

    def __init__(self, seed: int, label: str) -> None:
        digest = hashlib.sha256(f"{seed}/{label}".encode()).digest()
        self._key = np.uint64(int.from_bytes(digest[:8], "little"))

    def draw(self, indexes: Ints) -> RandomBits:
        """Return the bits of each index, by splitmix64, https://prng.di.unimi.it/splitmix64.c."""
        x = indexes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + self._key
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return RandomBits(x ^ (x >> np.uint64(31)))


class RandomBits:
    """Random bits per index; `part` 0 to 4 selects independent ones."""

    def __init__(self, bits: NDArray[np.uint64]) -> None:
        self._bits = bits

    def normal(self, part: int) -> Floats:
        """Return numbers of the normal distribution of mean 0 and deviation 1."""
        return _NORMAL[self.integer(part)]

    def exponential(self, part: int) -> Floats:
        """Return numbers of the exponential distribution of mean 1."""
        return _EXPONENTIAL[self.integer(part)]

    def integer(self, part: int) -> Ints:
        """Return even integers from 0 to 4095."""
        shifted = self._bits >> np.uint64(_BITS * part)
        chosen: Ints = (shifted & np.uint64(2**_BITS - 1)).astype(np.int64)
        return chosen
