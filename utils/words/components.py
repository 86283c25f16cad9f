"""Principal components of more vectors than fit in memory."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from utils.errors import SemcoError


@dataclass(frozen=True)
class PrincipalComponents:
    """The directions in which vectors vary most.

    `mean`: float64 (D,); `axes`: float64 (D, d), orthonormal columns, the largest variance first; `shares`: float64 (d,), the
    share of the total variance along each axis.
    """

    mean: np.ndarray
    axes: np.ndarray
    shares: np.ndarray

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return the coordinates of vectors (n, D) along the axes, measured from the mean, float32 (n, d)."""
        return ((vectors - self.mean) @ self.axes).astype(np.float32)


def fit_components(blocks: Iterable[np.ndarray], count: int) -> PrincipalComponents:
    """Find the first `count` components of all rows of the blocks (n, D), each seen once.

    Sums and sums of products in float64 give the covariance, D x D numbers whatever the number of rows, and its exact
    eigenvectors are the axes; scikit-learn's exact PCA would hold all rows at once, its incremental one approximates. Nothing
    is random: equal vectors give equal components, their signs included (each axis's largest entry is positive).

    Raises:
        SemcoError: there are fewer rows or dimensions than components.
    """
    rows, shift, total, products = 0, None, 0.0, 0.0
    for block in blocks:
        # Measured from a point amid the data, so that no digits are lost where the mean is far from 0.
        shift = block.mean(0, dtype=np.float64) if shift is None else shift
        moved = block - shift
        rows += len(block)
        total = total + moved.sum(0)
        products = products + moved.T @ moved
    if shift is None or count > min(rows, len(shift)):
        dim = 0 if shift is None else len(shift)
        raise SemcoError(f"{count} principal components of {rows} vectors of {dim} dimensions: ask for fewer")
    covariance = products / rows - np.outer(total, total) / rows**2
    variances, axes = np.linalg.eigh(covariance)
    order = np.argsort(variances)[::-1][:count]
    axes = axes[:, order]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(count)])
    whole = max(float(np.trace(covariance)), np.finfo(float).tiny)
    return PrincipalComponents(mean=shift + total / rows, axes=axes, shares=np.clip(variances[order], 0, None) / whole)
