"""What a network says of a set of images: the arrays that evaluation, report and prediction share."""

from dataclasses import dataclass

import numpy as np

UNKNOWN = -1


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
