"""What a network says of a set of images: its answers, and the table that is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNKNOWN = -1
LISTED = 5


@dataclass(frozen=True)
class Predictions:
    """Both heads' answers for N images, in the order of `ids`, for C classes and embeddings of D dimensions.

    `ids`: where each image is, such as `test/0.png` or a path; `labels`: true classes int64 (N,), `UNKNOWN` where nobody
    knows; `class_probabilities` and `emb_probabilities`: float32 (N, C), rows sum to 1, from the class head and from the
    embedding head; `group_scores`: float32 (N,), mean cosine over the best label group, what --thr-emb is compared with;
    `embeddings`: float32 (N, D).
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    class_probabilities: np.ndarray
    emb_probabilities: np.ndarray
    group_scores: np.ndarray
    embeddings: np.ndarray

    @property
    def combined(self) -> np.ndarray:
        """Mean of both heads' probabilities, float32 (N, C)."""
        return (self.class_probabilities + self.emb_probabilities) / 2


@dataclass(frozen=True)
class PredictionTable:
    """The table of N images as `predictions.parquet` holds it; classes are positions in `class_names`.

    `labels`, `predicted`, `class_labels`, `emb_labels`: int64 (N,), the truth (`UNKNOWN` where nobody knows) and the
    answers of both heads together and of each; `confidence`, `class_confidence`, `emb_confidence`, `margins`,
    `group_scores`: float32 (N,); `top_labels`: int64 (N, k) and `top_probabilities`: float32 (N, k), best first;
    `groups`: int64 (N,), the label group of `predicted`.
    """

    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    top_labels: np.ndarray
    top_probabilities: np.ndarray
    class_labels: np.ndarray
    class_confidence: np.ndarray
    emb_labels: np.ndarray
    emb_confidence: np.ndarray
    groups: np.ndarray
    group_scores: np.ndarray
    margins: np.ndarray


def rank(probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the min(k, C) most probable classes of each row (N, C), best first; of equal ones the first class.

    Returns:
        Classes int64 and their probabilities float32, both (N, min(k, C)).
    """
    left = np.array(probabilities, dtype=np.float32)
    count = min(k, left.shape[1])
    classes = np.empty((len(left), count), dtype=np.int64)
    values = np.empty((len(left), count), dtype=np.float32)
    rows = np.arange(len(left))
    for place in range(count):
        classes[:, place] = left.argmax(1)
        values[:, place] = left[rows, classes[:, place]]
        left[rows, classes[:, place]] = -np.inf
    return classes, values


def tabulate(predictions: Predictions, class_names: Sequence[str], group_ids: Sequence[int]) -> PredictionTable:
    """Reduce both heads' probabilities to what a table holds of each image.

    Args:
        group_ids: label group of each class.
    """
    top_labels, top_probabilities = rank(predictions.combined, max(LISTED, 2))
    by_class, class_confidence = rank(predictions.class_probabilities, 1)
    by_embedding, emb_confidence = rank(predictions.emb_probabilities, 1)
    return PredictionTable(
        class_names=tuple(class_names),
        files=predictions.ids,
        labels=predictions.labels,
        predicted=top_labels[:, 0],
        confidence=top_probabilities[:, 0],
        top_labels=top_labels[:, :LISTED],
        top_probabilities=top_probabilities[:, :LISTED],
        class_labels=by_class[:, 0],
        class_confidence=class_confidence[:, 0],
        emb_labels=by_embedding[:, 0],
        emb_confidence=emb_confidence[:, 0],
        groups=np.asarray(group_ids, dtype=np.int64)[top_labels[:, 0]],
        group_scores=predictions.group_scores,
        margins=top_probabilities[:, 0] - top_probabilities[:, 1],
    )
