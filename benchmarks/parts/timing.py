"""Timing for shared machines: the candidates run in turn, and the medians count."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch


def seconds(run: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call, including the GPU's work."""
    _wait()
    start = time.perf_counter()
    run()
    _wait()
    return time.perf_counter() - start


def in_turn(runs: Mapping[str, Callable[[], object]], *, repetitions: int, warm_up: int = 1) -> dict[str, float]:
    """Return the median seconds of each of `runs`, called in turn `repetitions` times after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(warm_up + repetitions):
        for name, run in runs.items():
            passed = seconds(run)
            if repetition >= warm_up:
                times[name].append(passed)
    return {name: statistics.median(values) for name, values in times.items()}


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Fit the power law `value ~ size ** a` and return a: 0 means constant, 1 linear growth."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


class Stopwatch:
    """Add up the time spent inside methods, under names that the caller chooses."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, name: str, owner: object, method: str) -> None:
        """Time every call of `owner.method` under `name`."""
        original = getattr(owner, method)

        def timed(*arguments, **named):
            _wait()
            start = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                _wait()
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        setattr(owner, method, timed)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
