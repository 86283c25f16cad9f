"""The map of label groups: places, and names in any number and script."""

import numpy as np
import pytest

from tests.support.pictures import is_drawn
from utils.labels.grouping import group_labels
from utils.labels.matching import LabelMatch
from utils.labels.semantics import LabelSemantics
from utils.pictures.label_map import plot_label_groups, project


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


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_label_groups(tmp_path, classes):
    assert is_drawn(plot_label_groups(tmp_path, _semantics([f"class {label}" for label in range(classes)])))


def test_names_in_any_script_and_with_signs_of_markup(tmp_path):
    names = [
        "\u732b",
        "\uace0\uc591\uc774",
        "\u0642\u0637\u0629",
        "\u306d\u3053",
        "$unclosed",
        "a_b^{c}",
        "\U0001f408",
        "$x$",
        "plain",
    ]
    assert is_drawn(plot_label_groups(tmp_path, _semantics(names)))


def _semantics(names):
    classes = len(names)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(classes, 20)) + 2 * rng.normal(size=(1 + classes // 4, 20)).repeat(4, 0)[:classes]
    return LabelSemantics(
        matches=tuple(LabelMatch(name, "x", "exact") for name in names),
        vectors=vectors.astype(np.float32),
        grouping=group_labels(vectors, 0.3),
        warnings=(),
    )
