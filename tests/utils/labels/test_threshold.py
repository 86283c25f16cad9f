"""--thr-emb auto, from the class vectors alone."""

import itertools

import numpy as np
import pytest

from loaders.prepare.published.mnist import CLOTHES
from tests.support.project import ROOT
from utils.flags.parse import parse_config
from utils.labels import threshold
from utils.labels.insight import idle_score
from utils.labels.linkage import unit_vectors
from utils.labels.semantics import describe_labels
from utils.labels.threshold import auto_threshold
from utils.progress import Progress

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
GLOVE = ROOT / "demo" / "glove.6B.50d.subset.txt.gz"


def _plainly(vectors, groups):
    """The definition, written out pair by pair."""
    unit, scores = unit_vectors(vectors), []
    for i, j in itertools.combinations(range(len(unit)), 2):
        if groups[i] != groups[j]:
            between = (unit[i] + unit[j]) / np.linalg.norm(unit[i] + unit[j])
            scores.append(max((unit[groups == group] @ between).mean() for group in np.unique(groups)))
    return max(np.quantile(scores, 0.99), idle_score(vectors, groups))


@pytest.mark.parametrize(("classes", "dims", "groups"), [(12, 6, 12), (30, 8, 7), (5, 40, 4), (2, 3, 2)])
def test_it_is_what_embeddings_between_two_classes_score(classes, dims, groups):
    rng = np.random.default_rng(classes)
    vectors, ids = rng.normal(size=(classes, dims)) + 0.4, np.arange(classes) % groups
    found = auto_threshold(vectors, ids)
    assert 0 <= found - _plainly(vectors, ids) <= 0.00101
    assert found == round(found, 3)


def test_right_angles_give_nearly_the_papers():
    assert auto_threshold(np.eye(20), np.arange(20)) == 0.708


@pytest.mark.parametrize(("names", "by_hand"), [(CLOTHES, 0.94), (CIFAR10, 0.93)])
def test_it_is_near_what_was_found_by_hand(names, by_hand):
    config = parse_config(["--train-split-pickle", "x.pkl", "--word-vec-path", str(GLOVE), "--thr-emb", "auto"])
    semantics = describe_labels(config, names, progress=Progress(enabled=False))
    assert auto_threshold(semantics.vectors, semantics.grouping.ids) == pytest.approx(by_hand, abs=0.02)
    assert not any("--thr-emb" in text for text in semantics.warnings)


def test_vectors_that_coincide_are_no_way_to_one():
    assert auto_threshold(np.ones((3, 4)), np.arange(3)) == 0.999


def test_opposite_vectors_have_nothing_between_them():
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert auto_threshold(vectors, np.arange(4)) == 0.708


def test_a_single_group_leaves_the_mean_vector():
    vectors = np.random.default_rng(0).normal(size=(6, 3)) + 1
    found = auto_threshold(vectors, np.zeros(6, dtype=int))
    assert 0 <= found - idle_score(vectors, np.zeros(6, dtype=int)) <= 0.00101


def test_of_many_classes_some_stand_for_all(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(300, 10)) + 0.3
    full = auto_threshold(vectors, np.arange(300))
    monkeypatch.setattr(threshold, "_MOST_MIXED", 40)
    assert auto_threshold(vectors, np.arange(300)) == pytest.approx(full, abs=0.02)
