"""Class vectors -> groups of similar classes."""

from dataclasses import dataclass

import numpy as np

_DEGENERATE = 5


@dataclass(frozen=True)
class Grouping:
    """Group of each class, int64 (C,), numbered from 0 in order of first class; the `eps` used.

    `degenerated`: DBSCAN lumped the classes into so few groups that every class was made its own instead.
    """

    ids: np.ndarray
    eps: float
    degenerated: bool

    @property
    def count(self) -> int:
        """Number of groups."""
        return int(self.ids.max()) + 1


def default_eps(dim: int) -> float:
    """Radius that suits vectors of `dim` dimensions: cosines spread less the more there are."""
    if dim < 100:
        return 0.15
    return 0.2 if dim < 256 else 0.28


def group_labels(vectors: np.ndarray, eps: float | None = None) -> Grouping:
    """Group class vectors (C, D) by DBSCAN on cosine distance, every class a core point (Nassar et al. 2021, section 3.1).

    Args:
        eps: radius in cosine distance; None takes the default for D; 0 makes every class its own group.
    """
    radius = default_eps(vectors.shape[1]) if eps is None else eps
    alone = np.arange(len(vectors))
    if radius == 0:
        return Grouping(ids=alone, eps=0.0, degenerated=False)
    from sklearn.cluster import DBSCAN  # a second of imports that --help does without

    found = DBSCAN(eps=radius, min_samples=1, metric="cosine").fit(vectors.astype(np.float64)).labels_
    # DBSCAN numbers clusters by their first member already; unique() holds it to that.
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    if len(first) <= _DEGENERATE:
        return Grouping(ids=alone, eps=radius, degenerated=len(first) < len(vectors))
    order = np.argsort(np.argsort(first))
    return Grouping(ids=order[inverse].astype(np.int64), eps=radius, degenerated=False)
