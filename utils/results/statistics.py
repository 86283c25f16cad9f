"""How sure a number is: intervals of an accuracy and of a mean difference."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

_LEVEL = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """Mean of n paired differences; `low` and `high` bound its 95% t-interval and are None for a single pair."""

    count: int
    mean: float
    low: float | None
    high: float | None


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share, `right` of `total`; it covers the chance of the draw of test images alone."""
    interval = stats.binomtest(right, total).proportion_ci(_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def paired_difference(differences: Sequence[float]) -> PairedDifference:
    """Mean of the differences, with Student's 95% interval over the pairs.

    Raises:
        statistics.StatisticsError: no difference is given.
    """
    mean, count = statistics.mean(differences), len(differences)
    if count < 2:
        return PairedDifference(count, mean, None, None)
    half = float(stats.t.ppf((1 + _LEVEL) / 2, count - 1)) * statistics.stdev(differences) / count**0.5
    return PairedDifference(count, mean, mean - half, mean + half)
