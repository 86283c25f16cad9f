"""The evaluation's numbers against answers that were computed by hand."""

import json

import numpy as np
import pytest

from tests.utils.results.test_predictions import make_predictions
from utils.results.evaluation import accuracy_by_coverage, calibration, evaluate_fully
from utils.results.predictions import UNKNOWN
from utils.results.statistics import paired_difference, wilson_interval

NAMES, GROUPS = ["oak", "maple", "car", "truck"], [0, 0, 1, 2]


def _one_hot(guesses, confidence=0.7):
    rest = (1 - confidence) / 3
    return np.where(np.eye(4)[guesses] > 0, confidence, rest)


@pytest.fixture
def evaluation():
    """Six images: the class head says 0 1 1 2 3 3, the embedding head 0 0 2 2 3 1, and the truth is 0 0 1 2 2 unknown."""
    made = make_predictions(_one_hot([0, 1, 1, 2, 3, 3]), _one_hot([0, 0, 2, 2, 3, 1]), [0, 0, 1, 2, 2, UNKNOWN])
    return evaluate_fully(made, NAMES, GROUPS)


def test_accuracy_with_its_interval(evaluation):
    assert evaluation["images"] == 6
    assert evaluation["images_with_truth"] == 5
    top1 = evaluation["heads"]["class"]["top1"]
    assert (top1["right"], top1["images"], top1["accuracy"]) == (3, 5, 0.6)
    # (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with z = 1.959964
    assert top1["interval"] == pytest.approx([0.230724, 0.882379], abs=1e-5)
    assert evaluation["heads"]["embedding"]["top1"]["right"] == 3
    assert evaluation["heads"]["combined"]["top5"]["right"] == 5


def test_per_class_numbers(evaluation):
    per_class = evaluation["heads"]["class"]["per_class"]
    assert per_class["support"] == [2, 1, 2, 0]
    assert per_class["recall"] == [0.5, 1.0, 0.5, None]
    assert per_class["precision"] == [1.0, 0.5, 1.0, 0.0]
    assert per_class["f1"] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0.0])
    assert evaluation["heads"]["class"]["macro"]["recall"] == pytest.approx(2 / 3)


def test_a_class_that_is_never_predicted_has_no_precision():
    made = make_predictions(_one_hot([0, 0]), _one_hot([0, 0]), [0, 1])
    assert evaluate_fully(made, NAMES, GROUPS)["heads"]["class"]["per_class"]["precision"] == [0.5, None, None, None]


def test_confusions_and_errors_by_group(evaluation):
    confusion = evaluation["heads"]["class"]["confusion"]
    cells = set(zip(confusion["label"], confusion["predicted"], confusion["images"], strict=True))
    assert cells == {(0, 0, 1), (0, 1, 1), (1, 1, 1), (2, 2, 1), (2, 3, 1)}
    errors = evaluation["heads"]["class"]["errors"]
    assert (errors["total"], errors["within_group"], errors["between_groups"]) == (2, 1, 1)
    assert errors["within_group_share"] == 0.5
    assert errors["share_by_chance"] == pytest.approx((1 / 3 + 0) / 2)


def test_agreement_of_the_heads(evaluation):
    agreement = evaluation["agreement"]
    assert agreement["share"] == pytest.approx(3 / 6)
    assert agreement["both_right"] == 2
    assert agreement["only_class_right"] == 1
    assert agreement["only_embedding_right"] == 1
    assert agreement["both_wrong_same"] == 1
    assert agreement["both_wrong_different"] == 0


def test_calibration_in_bins_closed_below():
    found = calibration(np.array([0.5, 0.55, 0.8, 0.8]), np.array([True, False, True, True]))
    # Bins [7/15, 8/15), [8/15, 9/15), [12/15, 13/15): 0.25 * 0.5 + 0.25 * 0.55 + 0.5 * 0.2
    assert found["error"] == pytest.approx(0.3625)
    assert [part["images"] for part in found["bins"]] == [1, 1, 2]
    assert found["bins"][2]["low"] == pytest.approx(0.8)
    assert found["mean_confidence"] == pytest.approx(0.6625)


def test_accuracy_by_coverage_takes_equal_confidences_together():
    points = accuracy_by_coverage(np.array([0.9, 0.9, 0.6, 0.3]), np.array([True, False, True, False]))
    assert [(point["coverage"], point["accuracy"], point["threshold"]) for point in points] == [
        (0.5, 0.5, 0.9),
        (0.75, pytest.approx(2 / 3), 0.6),
        (1.0, 0.5, 0.3),
    ]


def test_nothing_undefined_is_made_up_and_json_holds_all(evaluation):
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation
    unknown = evaluate_fully(make_predictions(_one_hot([0, 1]), _one_hot([0, 2]), [UNKNOWN] * 2), NAMES, GROUPS)
    assert unknown["heads"] == {}
    assert unknown["agreement"]["share"] == 0.5
    perfect = evaluate_fully(make_predictions(_one_hot([0, 1]), _one_hot([0, 1]), [0, 1]), NAMES, GROUPS)
    assert perfect["heads"]["class"]["errors"]["within_group_share"] is None


def test_wilson_interval_at_the_ends():
    assert wilson_interval(0, 10) == pytest.approx((0, 0.277533), abs=1e-5)
    assert wilson_interval(10, 10) == pytest.approx((0.722467, 1), abs=1e-5)


def test_paired_difference():
    found = paired_difference([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653, sd = 1
    assert (found.count, found.mean) == (3, 2.0)
    assert (found.low, found.high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5)
    assert paired_difference([1.5]).low is None
