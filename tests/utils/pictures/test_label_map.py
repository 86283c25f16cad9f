"""Places and links of the map of label groups."""

import numpy as np
import pytest

from utils.pictures.label_map import project, shortest_links


def unit_vectors(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=1)


def test_projection_keeps_distances_in_a_plane():
    unit = unit_vectors([0, 10, 95, 180])
    places, shares = project(unit)
    wanted = np.linalg.norm(unit[:, None] - unit[None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(places[:, None] - places[None], axis=-1), wanted, atol=1e-12)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] > shares[1]


def test_projection_does_not_flip():
    unit = np.random.default_rng(0).normal(size=(12, 6))
    places, _ = project(unit)
    mirrored, _ = project(-unit)
    for axis in range(2):
        assert places[np.abs(places[:, axis]).argmax(), axis] > 0
    np.testing.assert_allclose(places, mirrored, atol=1e-9)


@pytest.mark.parametrize("count", [1, 2])
def test_projection_of_few_classes(count):
    places, shares = project(unit_vectors([0, 60][:count]))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert shares.sum() == pytest.approx(count - 1)


def test_links_follow_the_chain():
    degrees = [40, 0, 30, 10, 20]
    links = {frozenset(link) for link in shortest_links(unit_vectors(degrees))}
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
    assert len(shortest_links(unit_vectors([15, 15, 15]))) == 2
    assert shortest_links(unit_vectors([15])) == []
