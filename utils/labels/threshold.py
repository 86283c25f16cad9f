"""--thr-emb auto: a confidence threshold above what embeddings that know nothing score, from the class vectors alone."""

import math

import numpy as np

from utils.labels.insight import idle_score
from utils.labels.linkage import unit_vectors

# Share of the undecided embeddings that the threshold keeps out: of those between look-alikes some may pass.
_KEPT_OUT = 0.99
# Each of so many classes, spread evenly over all, is mixed with every other one: all of 1,000 take a second.
_MOST_MIXED = 300
# In thousandths, so that the last bits of another machine's sums change nothing.
_STEPS, _HIGHEST = 1000, 0.999


def auto_threshold(vectors: np.ndarray, groups: np.ndarray) -> float:
    """Return the --thr-emb that suits class vectors (C, D) and their groups (C,).

    With u_c the unit vectors, an embedding halfway between two classes, (u_i + u_j) / |u_i + u_j|, does not know which of
    them it sees. The threshold is the 0.99 quantile of its score, the highest mean cosine over a group, over all pairs of
    classes in different groups; it is at least the score of the mean vector. It is rounded up to thousandths. Vectors at
    right angles give 0.708, near the paper's 0.7; vectors that lie closer together give more.
    """
    scores = _undecided_scores(unit_vectors(vectors).astype(np.float64), groups)
    undecided = float(np.quantile(scores, _KEPT_OUT)) if len(scores) else 0.0
    score = max(undecided, idle_score(vectors, groups))
    return min(_HIGHEST, math.ceil(round(score * _STEPS, 6)) / _STEPS)


def _undecided_scores(unit: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the scores of all embeddings halfway between two unit vectors (C, D) of different groups, in no order."""
    membership = np.eye(int(groups.max()) + 1)[groups]
    cosines = unit @ unit.T
    by_group = cosines @ (membership / membership.sum(0))  # (C, groups): mean cosine of a class with each group
    stride = -(-len(unit) // _MOST_MIXED)
    found = [np.zeros(0)]
    for one in range(0, len(unit), stride):
        lengths = np.sqrt(np.maximum(2 + 2 * cosines[one], 0))  # |u_i + u_j|
        # Opposite vectors have no direction between them. Each pair is counted once where all classes are mixed.
        others = np.flatnonzero((groups != groups[one]) & (lengths > 1e-6))
        others = others[others > one] if stride == 1 else others
        if len(others):
            found.append((by_group[one] + by_group[others]).max(1) / lengths[others])
    return np.concatenate(found)
