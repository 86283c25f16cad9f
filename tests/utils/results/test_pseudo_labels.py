"""What is said of pseudo-labels, on guesses whose figures can be counted by hand."""

import numpy as np
import pytest

from utils.results.pseudo_labels import (
    HeadGuesses,
    PoolGuesses,
    calibration_error,
    count_per_class,
    measure_guesses,
    uniform_distance,
)

GROUPS = np.array([0, 0, 1, 2])
#                                 right  group  other  right  unsure
TRUTH = np.array([0, 1, 2, 3, 3])
BY_CLASS = HeadGuesses(
    labels=np.array([0, 0, 3, 3, 1]),
    probabilities=np.array([0.99, 0.99, 0.99, 0.99, 0.3]),
    confident=np.array([True, True, True, True, False]),
)
BY_EMBEDDING = HeadGuesses(
    labels=np.array([0, 1, 3, 2, 3]),
    probabilities=np.array([0.6, 0.6, 0.6, 0.6, 0.6]),
    confident=np.array([False, False, True, False, True]),
)


def _guesses(truth=TRUTH):
    return PoolGuesses(by_class=BY_CLASS, by_embedding=BY_EMBEDDING, truth=truth)


def test_figures():
    figures = measure_guesses(_guesses(), groups=GROUPS)
    assert figures == pytest.approx(
        {
            "pseudo_images": 5,
            "pseudo_agreement": 2 / 5,
            "pseudo_class_coverage": 4 / 5,
            "pseudo_emb_coverage": 2 / 5,
            "pseudo_both_coverage": 1,
            "pseudo_class_precision": 2 / 4,
            "pseudo_emb_precision": 1 / 2,
            "pseudo_both_precision": 3 / 5,
            "pseudo_class_within_group_errors": 1 / 2,
            "pseudo_emb_within_group_errors": 0,
            "pseudo_precision_disagree_class": 1 / 3,
            "pseudo_precision_disagree_emb": 2 / 3,
            "pseudo_class_uniform_distance": 1 / 2,
            "pseudo_emb_uniform_distance": 3 / 4,
            "pseudo_both_uniform_distance": 1 / 2,
            "pseudo_class_ece": (4 * 0.99 - 2) / 5 + 0.3 / 5,
            "pseudo_emb_ece": 0,
        },
        abs=1e-9,
    )


def test_where_nobody_knows_the_truth_only_what_needs_none_is_said():
    figures = measure_guesses(_guesses(np.full(5, -1)), groups=GROUPS)
    assert set(figures) == {
        "pseudo_images", "pseudo_agreement",
        "pseudo_class_coverage", "pseudo_emb_coverage", "pseudo_both_coverage",
        "pseudo_class_uniform_distance", "pseudo_emb_uniform_distance", "pseudo_both_uniform_distance",
    }  # fmt: skip
    assert count_per_class(_guesses(np.full(5, -1)), class_names="abcd")[0] == {
        "class": "a", "images": None, "class_confident": 2, "class_right": None, "emb_confident": 0, "emb_right": None,
    }  # fmt: skip


def test_what_is_partly_known_is_measured_on_what_is_known():
    truth = np.array([0, -1, -1, 3, -1])
    figures = measure_guesses(_guesses(truth), groups=GROUPS)
    assert figures["pseudo_class_precision"] == 1
    assert figures["pseudo_precision_disagree_emb"] == 0
    assert "pseudo_emb_precision" not in figures  # no confident guess of a known image


def test_per_class():
    rows = count_per_class(_guesses(), class_names=["a", "b", "c", "d"])
    assert [row["images"] for row in rows] == [1, 1, 1, 2]
    assert [(row["class_confident"], row["class_right"]) for row in rows] == [(2, 1), (0, 0), (0, 0), (2, 1)]
    assert [(row["emb_confident"], row["emb_right"]) for row in rows] == [(0, 0), (0, 0), (0, 0), (2, 1)]


def test_distance_from_uniform():
    assert uniform_distance(np.array([5, 5, 5, 5])) == 0
    assert uniform_distance(np.array([0, 9, 0, 0])) == pytest.approx(3 / 4)
    assert np.isnan(uniform_distance(np.array([0, 0])))


def test_calibration_error():
    right = np.array([True] * 8 + [False] * 2)
    assert calibration_error(np.full(10, 0.8), right) == pytest.approx(0, abs=1e-9)
    assert calibration_error(np.ones(10), right) == pytest.approx(0.2)
    assert np.isnan(calibration_error(np.empty(0), np.empty(0, bool)))
