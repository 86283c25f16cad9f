"""The tree of shortest links, and what it says of groups at any radius."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.labels.linkage import Linkage, link_classes, shortest_links, unit_vectors


def at_angles(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=1)


def test_links_follow_the_chain():
    degrees = [40, 0, 30, 10, 20]
    links = {frozenset(link) for link in shortest_links(at_angles(degrees))}
    assert links == {frozenset(pair) for pair in [(1, 3), (3, 4), (4, 2), (2, 0)]}


def test_links_are_a_tree_of_the_least_length():
    from scipy.sparse.csgraph import minimum_spanning_tree

    unit = np.random.default_rng(1).normal(size=(40, 5))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    links = shortest_links(unit)
    distances = 1 - unit @ unit.T
    assert len(links) == 39
    assert sum(distances[link] for link in links) == pytest.approx(minimum_spanning_tree(distances).sum())


def test_equal_vectors_are_linked_once_each():
    assert len(shortest_links(at_angles([15, 15, 15]))) == 2
    assert shortest_links(at_angles([15])) == []


def test_unit_vectors_leave_zero_alone():
    unit = unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    assert unit.tolist() == [[0.6, 0.8], [0.0, 0.0]]


@given(st.integers(2, 40), st.floats(0.01, 1.5), st.integers(0, 99))
def test_sizes_are_those_of_dbscan(count, radius, seed):
    from sklearn.cluster import DBSCAN

    vectors = np.random.default_rng(seed).normal(size=(count, 4))
    groups = DBSCAN(eps=radius, min_samples=1, metric="cosine").fit(vectors).labels_
    assert link_classes(vectors).sizes(radius) == sorted(np.bincount(groups).tolist(), reverse=True)


@given(st.integers(2, 40), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_the_largest_radius(count, most, least, seed):
    """It holds what was asked for, and the next longer link does not."""
    linkage = link_classes(np.random.default_rng(seed).normal(size=(count, 4)))
    radius = linkage.largest_radius(most_in_group=most, least_groups=min(least, count))

    def suits(sizes):
        return sizes[0] <= most and len(sizes) >= min(least, count)

    assert suits(linkage.sizes(radius))
    longer = linkage.lengths[linkage.lengths > radius]
    assert radius == 2.0 or not suits(linkage.sizes(float(longer[0])))


def test_the_largest_radius_is_a_short_number():
    linkage = Linkage(((0, 1), (1, 2), (2, 3)), np.array([0.1, 0.3172, 0.5]))
    assert linkage.largest_radius(most_in_group=2, least_groups=1) == 0.31
    assert linkage.largest_radius(most_in_group=3, least_groups=1) == 0.49
    assert linkage.largest_radius(most_in_group=1, least_groups=1) == 0.09
    assert linkage.largest_radius(most_in_group=9, least_groups=4) == 0.09
    assert linkage.largest_radius(most_in_group=4, least_groups=1) == 2.0


def test_equal_vectors_leave_no_radius():
    linkage = link_classes(np.ones((5, 3)))
    assert linkage.largest_radius(most_in_group=3, least_groups=1) == 0
