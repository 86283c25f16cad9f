"""Places and links of the map of label groups."""

import numpy as np
import pytest

from utils.pictures.label_map import project


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
