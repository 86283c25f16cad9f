"""What can be seen from class vectors and groups before training: classes without a hint, look-alikes, outsiders."""

from dataclasses import dataclass

import numpy as np

from utils.labels.linkage import unit_vectors

# Cosines closer than this are equal to the label guessor, which computes them in float32.
_TIE = 1e-6


@dataclass(frozen=True)
class Pair:
    """Two classes, by their places, and the cosine of their vectors."""

    one: int
    other: int
    cosine: float


def idle_score(vectors: np.ndarray, groups: np.ndarray) -> float:
    """Return the score of an embedding that points to the mean of the unit class vectors (C, D), whatever the image.

    This is where an untrained embedding head soon arrives. A --thr-emb below it lets guesses through that know nothing.
    """
    unit = unit_vectors(vectors)
    length = np.linalg.norm(unit.mean(0))
    if length < 1e-6:  # vectors that balance out have no common direction
        return 0.0
    centre = unit.mean(0) / length
    return max(float((unit[groups == group] @ centre).mean()) for group in np.unique(groups))


def same_vectors(vectors: np.ndarray) -> list[list[int]]:
    """Return the sets of classes (two or more places each) whose vectors (C, D) point the same way."""
    unit, found, seen = unit_vectors(vectors), [], set()
    for place, row in enumerate(unit):
        if place not in seen:
            alike = np.flatnonzero(unit @ row > 1 - _TIE).tolist()
            members = [place, *(other for other in alike if other > place and other not in seen)]
            seen.update(members)
            if len(members) > 1:
                found.append(members)
    return found


def lost_hints(vectors: np.ndarray, groups: np.ndarray) -> dict[int, int]:
    """Return the classes whose own vector is hinted as another class, with that class.

    The hint is the most similar class of the group with the best mean cosine. So a class in a wide group can lose to another
    group, and of classes with one vector all but the first lose to it.

    Args:
        vectors: (C, D); groups: (C,), numbered from 0 without gaps.
    """
    unit = unit_vectors(vectors)
    sizes = np.bincount(groups)
    lost = {}
    for place, row in enumerate(unit):
        cosines = unit @ row
        scores = np.bincount(groups, weights=cosines) / sizes
        best = int(np.flatnonzero(scores > scores.max() - _TIE)[0])
        members = np.flatnonzero(groups == best)
        hint = int(members[np.flatnonzero(cosines[members] > cosines[members].max() - _TIE)[0]])
        if hint != place:
            lost[place] = hint
    return lost


def similar_pairs(vectors: np.ndarray, count: int) -> list[Pair]:
    """Return the `count` pairs of classes whose vectors (C, D) are most alike, from each class and its nearest."""
    nearest, cosines = _nearest(vectors)
    pairs = {frozenset((place, int(other))): float(cosines[place]) for place, other in enumerate(nearest)}
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], sorted(item[0])))
    return [Pair(*sorted(pair), cosine) for pair, cosine in ordered[:count]]


def outsiders(vectors: np.ndarray, count: int) -> list[Pair]:
    """Return the `count` classes least like any other, each (`one`) with its nearest (`other`): often a wrong meaning.

    Args:
        vectors: (C, D), of two classes or more.
    """
    nearest, cosines = _nearest(vectors)
    return [
        Pair(int(place), int(nearest[place]), float(cosines[place]))
        for place in np.argsort(cosines, kind="stable")[:count]
    ]


def _nearest(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each class (C, D) its most similar other one and their cosine, (C,) each."""
    unit = unit_vectors(vectors)
    nearest, cosines = np.zeros(len(unit), dtype=int), np.zeros(len(unit))
    for place, row in enumerate(unit):
        similar = unit @ row
        similar[place] = -np.inf
        nearest[place] = similar.argmax()
        cosines[place] = similar[nearest[place]]
    return nearest, cosines
