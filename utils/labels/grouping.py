"""Class vectors -> groups of similar classes."""

import math
from dataclasses import dataclass

import numpy as np

from utils.labels.linkage import Linkage, link_classes, unit_vectors

_DEGENERATE = 5
# What `auto` allows the largest group of a text encoder's vectors to be: part of all classes, and at least so many.
_LARGEST_SHARE, _LARGEST_COUNT = 0.15, 3
# Two groups of several classes beside four of one class each.
_LEAST_CLASSES = 8
_SUGGESTIONS = 3


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

    @property
    def shared_count(self) -> int:
        """Number of groups that hold several classes."""
        return int((np.bincount(self.ids) > 1).sum())


def default_eps(dim: int) -> float:
    """Return the radius that suits word vectors of `dim` dimensions: cosines spread less the more there are."""
    if dim < 100:
        return 0.15
    return 0.2 if dim < 256 else 0.28


def fitted_eps(vectors: np.ndarray) -> float:
    """Return the radius that suits class vectors (C, D) of any source.

    It is the largest at which no group holds more than 15% of the classes (but three at least) and grouping does not
    degenerate.
    """
    largest = max(_LARGEST_COUNT, math.floor(_LARGEST_SHARE * len(vectors)))
    return link_classes(vectors).largest_radius(most_in_group=largest, least_groups=_DEGENERATE + 1)


def group_labels(vectors: np.ndarray, eps: float | None = None) -> Grouping:
    """Group class vectors (C, D) by DBSCAN on cosine distance, every class a core point (Nassar et al. 2021, section 3.1).

    Args:
        eps: radius in cosine distance; None takes the default for D; 0 makes every class its own group.
    """
    radius = default_eps(vectors.shape[1]) if eps is None else eps
    alone = np.arange(len(vectors))
    if radius == 0:
        return Grouping(ids=alone, eps=0.0, degenerated=False)
    # With every class a core point, DBSCAN's groups are the connected components of the pairs within the radius.
    from scipy.sparse.csgraph import connected_components  # imported late, for --help

    unit = unit_vectors(vectors)
    _, found = connected_components(1 - unit @ unit.T <= radius, directed=False)
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    if len(first) <= _DEGENERATE:
        return Grouping(ids=alone, eps=radius, degenerated=len(first) < len(vectors))
    order = np.argsort(np.argsort(first))
    return Grouping(ids=order[inverse].astype(np.int64), eps=radius, degenerated=False)


def explain_no_effect(vectors: np.ndarray, grouping: Grouping) -> str | None:
    """Say that grouping changes little or nothing, and which radii would; None where it works or was switched off.

    Args:
        vectors: (C, D), those that were grouped.
    """
    if grouping.shared_count >= 2 or (grouping.eps == 0 and not grouping.degenerated):
        return None
    why = f"label grouping with eps {grouping.eps:g} "
    if grouping.degenerated:
        why += "left five groups or fewer: every class is its own group instead"
    elif grouping.shared_count:
        why += f"has little effect: only one group holds several classes, {np.bincount(grouping.ids).max()} of {len(vectors)}"
    else:
        why += "has no effect: no group holds several classes"
    if len(vectors) < _LEAST_CLASSES:
        return f"{why}; it takes {_LEAST_CLASSES} classes or more"
    found = _useful_radii(link_classes(vectors), grouping.count)
    if not found:
        return f"{why}; no radius gives more such groups without lumping most classes together"
    ways = ", ".join(
        f"--eps {radius:g} would give {len(sizes)} groups, {sum(size > 1 for size in sizes)} of several classes"
        for radius, sizes in found
    )
    return f"{why}; {ways}"


def _useful_radii(linkage: Linkage, count: int) -> list[tuple[float, list[int]]]:
    """Find radii, in steps of 0.01, with fewer groups than `count`, none too large: three at most, with their groups' sizes.

    Those that give two groups of several classes are preferred.
    """
    found: dict[int, tuple[float, list[int]]] = {}
    for radius in np.arange(1, 101) / 100:
        sizes = linkage.sizes(float(radius))
        if _DEGENERATE < len(sizes) < count and sizes[0] <= max(_LARGEST_COUNT, _LARGEST_SHARE * sum(sizes)):
            found.setdefault(len(sizes), (float(radius), sizes))
    choices = [entry for entry in found.values() if entry[1][1] > 1] or list(found.values())
    places = np.unique(np.linspace(0, len(choices) - 1, min(_SUGGESTIONS, len(choices))).round().astype(int))
    return [choices[place] for place in places]
