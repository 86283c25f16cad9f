"""Guess a label from an embedding: the embedding head's pseudo-labels (Nassar et al. 2021, section 3)."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

# Polynomial in the number of groups, constant term first; fitted by the paper's authors.
_SHARPENING = (
    9.170736802898897,
    8.61367218e-02,
    -2.14301427e-04,
    2.64062187e-07,
    -1.48480191e-10,
    3.06355814e-14,
)


class Guess(NamedTuple):
    """What the embedding head makes of N images.

    `target`: the vector that the strong view's embedding should come close to; `mask`: float32, 1 where the guess is
    confident; `score`: mean cosine over the best group; `hint`: int64, the most similar class of that group.
    """

    target: Float[Tensor, "n dims"]
    mask: Float[Tensor, " n"]
    score: Float[Tensor, " n"]
    hint: Int[Tensor, " n"]


class LabelGuessor(nn.Module):
    """Guesses labels from embeddings by the class vectors and their groups, which it holds as buffers.

    Args:
        class_vectors: (C, D) float32, as given by the word vectors.
        groups: (C,) int64, group of each class, numbered from 0 without gaps.
        thr_emb: mean cosine over a group at or above which a guess is confident.
    """

    def __init__(self, class_vectors: Tensor, groups: Tensor, *, thr_emb: float) -> None:
        super().__init__()
        membership = F.one_hot(groups).float()
        self.register_buffer("class_vectors", class_vectors.float())
        self.register_buffer("_unit_vectors", F.normalize(class_vectors.float(), dim=1))
        self.register_buffer("_membership", membership)
        self.register_buffer("_averaging", membership / membership.sum(0))
        self.thr_emb = thr_emb
        self.num_groups = membership.shape[1]
        self._sharpening = sharpening_factor(self.num_groups)

    def similarities(self, embedding: Float[Tensor, "n dims"]) -> Float[Tensor, "n classes"]:
        """Return the cosines between embeddings and class vectors, in float32."""
        with torch.autocast(embedding.device.type, enabled=False):
            return F.normalize(embedding.float(), dim=1) @ self._unit_vectors.T

    def forward(self, embedding: Float[Tensor, "n dims"]) -> Guess:
        """Guess the labels of embeddings: the group with the highest mean cosine, and the classes in it by softmax."""
        similarities = self.similarities(embedding)
        with torch.autocast(embedding.device.type, enabled=False):
            score, best_group = (similarities @ self._averaging).max(dim=1)
            weights = similarities.softmax(dim=1) * self._membership.T[best_group]
            weights = weights / weights.sum(dim=1, keepdim=True)
            target = weights @ self.class_vectors
        return Guess(target=target, mask=(score >= self.thr_emb).float(), score=score, hint=weights.argmax(dim=1))

    def probabilities(self, embedding: Float[Tensor, "n dims"]) -> Float[Tensor, "n classes"]:
        """Return class probabilities, the softmax of the sharpened cosines. For evaluation only."""
        return (self._sharpening * self.similarities(embedding)).softmax(dim=1)


def sharpening_factor(num_groups: int) -> float:
    """Return the factor on the cosines before the softmax, a function of the number of groups."""
    if num_groups < 10:
        return 6.0
    if num_groups < 13:
        return 8.0 + (num_groups - 10) / 3
    if num_groups < 17:
        return 9.0 + (num_groups - 13) / 4
    return sum(coefficient * num_groups**power for power, coefficient in enumerate(_SHARPENING))
