"""How groups of class vectors grow with the radius, at all radii at once.

With every class a core point, DBSCAN's groups at a radius are the connected components of the graph of pairs within it. The
minimum spanning tree of the cosine distances has the same components at every radius, so its C - 1 links tell them all.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

# Lengths this close count as equal: DBSCAN computes distances of its own, which may differ in the last digits.
_CLOSE = 1e-9
_FURTHEST = 2.0


@dataclass(frozen=True)
class Linkage:
    """The minimum spanning tree of C classes: `links` (C - 1 pairs) and `lengths` (C - 1,), the shortest first."""

    links: tuple[tuple[int, int], ...]
    lengths: np.ndarray

    def sizes(self, radius: float) -> list[int]:
        """Return the sizes of the groups at a radius, the largest first."""
        groups = _Groups(len(self.links) + 1)
        for link, length in zip(self.links, self.lengths, strict=True):
            if length > radius:
                break
            groups.join(*link)
        return sorted(groups.sizes(), reverse=True)

    def largest_radius(self, *, most_in_group: int, least_groups: int) -> float:
        """Return the largest radius, rounded down, at which no group is larger and there are no fewer groups."""
        groups = _Groups(len(self.links) + 1)
        for place, (link, length) in enumerate(zip(self.links, self.lengths, strict=True)):
            too_few = len(self.links) - place < least_groups
            if groups.join(*link) > most_in_group or too_few:
                return _between(self.lengths[self.lengths < length - _CLOSE], float(length))
        return _FURTHEST


class _Groups:
    """Disjoint sets of the numbers below `count`."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self._size = [1] * count

    def join(self, one: int, other: int) -> int:
        """Make one set of two; returns its size."""
        kept, lost = self._root(one), self._root(other)
        if kept != lost:
            self._parent[lost] = kept
            self._size[kept] += self._size[lost]
        return self._size[kept]

    def sizes(self) -> list[int]:
        return list(Counter(map(self._root, range(len(self._parent)))).values())

    def _root(self, member: int) -> int:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member


def link_classes(vectors: np.ndarray) -> Linkage:
    """Link class vectors (C, D) by their cosine distances."""
    unit = unit_vectors(vectors)
    links = shortest_links(unit)
    lengths = np.array([1 - unit[start] @ unit[end] for start, end in links])
    order = np.argsort(lengths, kind="stable")
    return Linkage(tuple(links[place] for place in order), lengths[order])


def shortest_links(unit: np.ndarray) -> list[tuple[int, int]]:
    """Find the minimum spanning tree of unit vectors (M, D) by cosine distance with Prim's algorithm: M - 1 pairs of indices."""
    nearest = np.zeros(len(unit), dtype=int)
    reach = 1 - unit @ unit[0]
    reach[0] = np.inf
    links = []
    for _ in range(len(unit) - 1):
        added = int(reach.argmin())
        links.append((int(nearest[added]), added))
        distances = 1 - unit @ unit[added]
        closer = (distances < reach) & np.isfinite(reach)
        nearest[closer] = added
        reach[closer] = distances[closer]
        reach[added] = np.inf
    return links


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors (C, D) to length 1, float64; a zero vector stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _between(shorter: np.ndarray, length: float) -> float:
    """Return the shortest decimal between the last of the shorter lengths and `length`, near the latter; else their middle."""
    last = float(shorter[-1]) if len(shorter) else 0.0
    for digits in range(2, 7):
        rounded = float(np.floor((length - _CLOSE) * 10**digits) / 10**digits)
        if last + _CLOSE < rounded:
            return rounded
    return (last + length) / 2 if length > _CLOSE else 0.0
