"""The only source of random numbers: every draw is a function of (seed, purpose, epoch).

Philox is counter-based: a stream is named by its key alone, so an epoch's draws need no state from the epochs before it.
Only the generator's raw 64-bit words are used. NumPy guarantees that they never change, unlike the distributions built on them.
"""

import enum
import secrets

import numpy as np


class Purpose(enum.IntEnum):
    """Name what a stream of random numbers is for. The values are part of what a seed means: never renumber them."""

    MODEL = 1
    LABELLED = 2
    UNLABELLED = 3
    WEAK_VIEW = 4
    STRONG_VIEW = 5
    RANDAUGMENT = 6
    CUTOUT = 7
    LABEL_VECTORS = 8
    VALIDATION = 9
    DIAGNOSTICS = 10
    SHUFFLED_VECTORS = 11


class Draws:
    """Draw consecutive numbers from the stream of (seed, purpose, epoch)."""

    def __init__(self, seed: int, purpose: Purpose, epoch: int = 0) -> None:
        self._bits = np.random.Philox(key=np.array([seed, (int(purpose) << 32) | epoch], dtype=np.uint64))

    def uniform(self, *shape: int) -> np.ndarray:
        """Draw float64 numbers in [0, 1) with 53 random bits each, in the given shape."""
        words = self._bits.random_raw(int(np.prod(shape)))
        return ((words >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def integers(self, high: int, *shape: int) -> np.ndarray:
        """Draw int64 numbers in [0, high), in the given shape; `high` is below 2**32, so the bias is below 2**-21."""
        return np.floor(self.uniform(*shape) * high).astype(np.int64)

    def booleans(self, *shape: int) -> np.ndarray:
        """Flip fair coins, in the given shape."""
        return self.uniform(*shape) < 0.5


def resolve_seed(seed: int) -> int:
    """Return `seed`, or for a negative one ("unseeded") a fresh seed, which the run folder records like any other."""
    return seed if seed >= 0 else secrets.randbits(31)
