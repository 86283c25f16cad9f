"""Components from a stream of blocks equal those of all rows at once."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from utils.errors import SemcoError
from utils.words.components import fit_components

ROWS = np.random.default_rng(0).normal(size=(500, 12)) @ np.random.default_rng(1).normal(size=(12, 12)) + 3.0


def _blocks(rows, size=64):
    return (rows[start : start + size].astype(np.float32) for start in range(0, len(rows), size))


def test_equals_scikit_learn():
    ours = fit_components(_blocks(ROWS), 5)
    theirs = PCA(5).fit(ROWS)
    np.testing.assert_allclose(ours.shares, theirs.explained_variance_ratio_, rtol=1e-5)
    signs = np.sign((ours.axes * theirs.components_.T).sum(0))
    np.testing.assert_allclose(ours.axes * signs, theirs.components_.T, atol=1e-5)
    np.testing.assert_allclose(ours.project(ROWS) * signs, theirs.transform(ROWS), atol=1e-4)
    assert ours.project(ROWS).dtype == np.float32


def test_the_size_of_blocks_does_not_matter():
    one, many = (fit_components(_blocks(ROWS, size), 12) for size in (1000, 1))
    np.testing.assert_allclose(one.axes, many.axes, atol=1e-8)
    assert one.shares.sum() == pytest.approx(1)


def test_the_same_vectors_give_the_same_components():
    one, same = (fit_components(_blocks(ROWS), 4) for _ in range(2))
    np.testing.assert_array_equal(one.axes, same.axes)
    largest = one.axes[np.abs(one.axes).argmax(0), range(4)]
    assert (largest > 0).all()


def test_all_components_keep_distances():
    projected = fit_components(_blocks(ROWS), 12).project(ROWS)
    before = np.linalg.norm(ROWS[:50, None] - ROWS[None, :50], axis=2)
    np.testing.assert_allclose(np.linalg.norm(projected[:50, None] - projected[None, :50], axis=2), before, atol=1e-4)


def test_a_mean_far_from_zero_costs_no_digits():
    rng = np.random.default_rng(0)
    rows = rng.integers(-8, 9, size=(300, 3)) + np.array([2.0**23, 0, -(2.0**22)])
    shares = fit_components(_blocks(rows), 3).shares
    np.testing.assert_allclose(shares, PCA(svd_solver="full").fit(rows).explained_variance_ratio_, rtol=1e-6)


def test_vectors_that_are_all_equal():
    found = fit_components(_blocks(np.ones((5, 3))), 2)
    np.testing.assert_array_equal(found.shares, 0)
    np.testing.assert_array_equal(found.project(np.ones((2, 3))), 0)


@pytest.mark.parametrize(("rows", "count"), [(np.ones((3, 8)), 4), (np.ones((8, 3)), 4), (np.ones((0, 3)), 1)])
def test_more_components_than_there_can_be(rows, count):
    with pytest.raises(SemcoError, match=f"{count} principal components of {len(rows)} vectors"):
        fit_components(_blocks(rows), count)
