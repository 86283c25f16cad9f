"""How good the pseudo-labels are: what both heads guess for unlabelled images, held against the truth where it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.results.predictions import UNKNOWN

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class HeadGuesses:
    """One head's guesses for N images.

    `labels`: int64 (N,); `probabilities`: float32 (N,), of the guessed class; `confident`: bool (N,), whether the guess passes
    the head's threshold and so trains the network.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    confident: np.ndarray


@dataclass(frozen=True)
class PoolGuesses:
    """Both heads' guesses for the weak views of N unlabelled images; `truth`: int64 (N,), `UNKNOWN` where nobody knows."""

    by_class: HeadGuesses
    by_embedding: HeadGuesses
    truth: np.ndarray

    @property
    def combined(self) -> HeadGuesses:
        """The guesses that train: the class head's where it is confident, elsewhere the embedding head's."""
        from_class = self.by_class.confident
        return HeadGuesses(
            labels=np.where(from_class, self.by_class.labels, self.by_embedding.labels),
            probabilities=np.where(from_class, self.by_class.probabilities, self.by_embedding.probabilities),
            confident=from_class | self.by_embedding.confident,
        )


def measure_guesses(guesses: PoolGuesses, *, groups: np.ndarray) -> dict[str, float]:
    """Measure coverage, precision, agreement, kinds of errors, calibration and spread of the guesses.

    What cannot be measured is absent: precision without a known truth, or of no guess at all.

    Args:
        groups: int64 (C,), label group of each class.

    Returns:
        `pseudo_images`, the number of images, and shares from 0 to 1 under the names that docs/results.md explains.
    """
    heads = {"class": guesses.by_class, "emb": guesses.by_embedding, "both": guesses.combined}
    known, truth = guesses.truth != UNKNOWN, guesses.truth
    disagree = guesses.by_class.labels != guesses.by_embedding.labels
    found: dict[str, float] = {"images": len(truth), "agreement": 1.0 - _mean(disagree)}
    for name, head in heads.items():
        counts = np.bincount(head.labels[head.confident], minlength=len(groups))
        right = head.labels == truth
        found[f"{name}_coverage"] = _mean(head.confident)
        found[f"{name}_uniform_distance"] = uniform_distance(counts)
        found[f"{name}_precision"] = _mean(right[head.confident & known])
        if name != "both":
            wrong = head.confident & known & ~right
            found[f"{name}_within_group_errors"] = _mean((groups[head.labels] == groups[truth])[wrong])
            found[f"precision_disagree_{name}"] = _mean(right[disagree & known])
            found[f"{name}_ece"] = calibration_error(head.probabilities[known], right[known])
    return {f"pseudo_{name}": float(value) for name, value in found.items() if not np.isnan(value)}


def count_per_class(guesses: PoolGuesses, *, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Count for each class its images, where known, and how many confident guesses name it, and how many of them rightly."""
    known = guesses.truth != UNKNOWN
    heads: Mapping[str, HeadGuesses] = {"class": guesses.by_class, "emb": guesses.by_embedding}
    rows = []
    for label, name in enumerate(class_names):
        row: dict[str, Any] = {"class": name, "images": int((guesses.truth == label).sum()) if known.any() else None}
        for head_name, head in heads.items():
            named = head.confident & (head.labels == label)
            row[f"{head_name}_confident"] = int(named.sum())
            row[f"{head_name}_right"] = int((named & (guesses.truth == label)).sum()) if known.any() else None
        rows.append(row)
    return rows


def uniform_distance(counts: np.ndarray) -> float:
    """Return the total variation distance of `counts` (C,) from equal counts: 0, to 1 - 1/C when all are of one class."""
    if not counts.sum():
        return np.nan
    return float(np.abs(counts / counts.sum() - 1 / len(counts)).sum() / 2)


def calibration_error(probabilities: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error in 15 bins of equal width (Guo et al. 2017, equation 3), NaN of nothing.

    Args:
        probabilities: (N,), of the guessed classes; `right`: bool (N,).
    """
    if not len(right):
        return np.nan
    probabilities = np.nan_to_num(probabilities)  # a diverged network's NaN is no confidence at all
    gaps = np.bincount(calibration_bins(probabilities), weights=right.astype(np.float64) - probabilities)
    return float(np.abs(gaps).sum() / len(right))


def calibration_bins(probabilities: np.ndarray) -> np.ndarray:
    """Return the bin of each probability, int64 (N,): bins of equal width, closed below, the last one also above."""
    return np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
