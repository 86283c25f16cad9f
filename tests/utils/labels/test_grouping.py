"""Groups of classes by the direction of their vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from utils.labels.grouping import default_eps, group_labels


def _at_angles(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1) * np.arange(1, len(degrees) + 1)[:, None]


def test_neighbours_share_a_group_whatever_their_length():
    ids = group_labels(_at_angles(0, 50, 2, 100, 52, 150, 200, 250), 0.01).ids
    assert ids.tolist() == [0, 1, 0, 2, 1, 3, 4, 5]


def test_chains_join():
    assert group_labels(_at_angles(0, 5, 10, 15, 60, 100, 140, 180, 220), 0.01).count == 6


@given(st.integers(8, 60), st.floats(0.01, 1.2), st.integers(0, 99))
def test_groups_are_those_of_dbscan(count, radius, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    vectors[0] = 0  # no direction: as far from every other vector as one at right angles
    expected = DBSCAN(eps=radius, min_samples=1, metric="cosine").fit(vectors.astype(np.float64)).labels_
    grouping = group_labels(vectors, radius)
    assert grouping.ids.tolist() == (list(range(count)) if expected.max() < 5 else expected.tolist())


def test_too_few_groups_means_none():
    grouping = group_labels(_at_angles(0, 1, 2, 90, 180, 91, 270), 0.01)
    assert grouping.degenerated
    assert grouping.ids.tolist() == list(range(7))


def test_eps_zero_switches_grouping_off():
    grouping = group_labels(_at_angles(*[0] * 10), 0)
    assert (grouping.count, grouping.degenerated) == (10, False)


@pytest.mark.parametrize(
    ("dim", "eps"), [(50, 0.15), (99, 0.15), (100, 0.2), (128, 0.2), (255, 0.2), (256, 0.28), (300, 0.28)]
)
def test_default_eps(dim, eps):
    assert default_eps(dim) == eps
    assert group_labels(np.eye(dim)[:7]).eps == eps


@pytest.mark.parametrize("count", [2, 5, 6, 1000])
def test_any_number_of_classes(count):
    vectors = np.random.default_rng(0).normal(size=(count, 128))
    grouping = group_labels(vectors)
    assert grouping.ids.tolist() == list(range(count))
    assert not grouping.degenerated  # nothing was lumped together
