"""The co-training loss (Nassar et al. 2021, section 3), as pure functions of tensors."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models.label_guessor import Guess


class LossParts(NamedTuple):
    """The loss and what it is made of, 0-d float32 tensors.

    `class_unlabelled` holds both unlabelled terms of the class head, `emb_unlabelled` those of the embedding head. The
    rates are the shares of unlabelled images whose guess by the class head, the embedding head, or either is confident.
    """

    total: Tensor
    class_labelled: Tensor
    class_unlabelled: Tensor
    emb_labelled: Tensor
    emb_unlabelled: Tensor
    mask_rate: Tensor
    emb_mask_rate: Tensor
    any_mask_rate: Tensor


def co_training_loss(
    *,
    labelled_logits: Tensor,
    labelled_embedding: Tensor,
    labels: Tensor,
    weak_logits: Tensor,
    strong_logits: Tensor,
    strong_embedding: Tensor,
    guess: Guess,
    class_vectors: Tensor,
    threshold: float,
    lam_u: float,
    lambda_emb: float,
    cotrain: bool = True,
) -> LossParts:
    """Compute the loss of one step.

    With B labelled images, U unlabelled ones, C classes and D dimensions: logits (B or U, C), embeddings (B or U, D),
    labels (B,), class_vectors (C, D). `weak_logits` and `guess` belong to the weak views of the images whose strong views
    `strong_logits` and `strong_embedding` belong to; no gradient flows into them. `cotrain=False` drops each head's use of
    the other's guesses.
    """
    confidence, pseudo_labels = weak_logits.detach().float().softmax(dim=1).max(dim=1)
    mask = (confidence >= threshold).float()

    class_labelled = _cross_entropy(labelled_logits, labels).mean()
    class_unlabelled = (mask * _cross_entropy(strong_logits, pseudo_labels)).mean()
    emb_labelled = _cosine_distance(labelled_embedding, class_vectors[labels]).mean()
    emb_unlabelled = (guess.mask * _cosine_distance(strong_embedding, guess.target)).mean()
    if cotrain:
        class_from_emb = (guess.mask * _cross_entropy(strong_logits, guess.hint)).mean()
        class_unlabelled = class_unlabelled + lambda_emb / 3 * class_from_emb
        emb_from_class = (mask * _cosine_distance(strong_embedding, class_vectors[pseudo_labels])).mean()
        emb_unlabelled = emb_unlabelled + emb_from_class

    class_loss = class_labelled + lam_u * class_unlabelled
    emb_loss = emb_labelled + lam_u * emb_unlabelled
    return LossParts(
        total=class_loss + lambda_emb * emb_loss,
        class_labelled=class_labelled,
        class_unlabelled=class_unlabelled,
        emb_labelled=emb_labelled,
        emb_unlabelled=emb_unlabelled,
        mask_rate=mask.mean(),
        emb_mask_rate=guess.mask.mean(),
        any_mask_rate=torch.maximum(mask, guess.mask).mean(),
    )


def supervised_loss(
    *, labelled_logits: Tensor, labelled_embedding: Tensor, labels: Tensor, class_vectors: Tensor, lambda_emb: float
) -> LossParts:
    """Compute the loss of labelled images alone, in the shapes of `co_training_loss`."""
    class_labelled = _cross_entropy(labelled_logits, labels).mean()
    emb_labelled = _cosine_distance(labelled_embedding, class_vectors[labels]).mean()
    zero = torch.zeros_like(class_labelled)
    return LossParts(
        total=class_labelled + lambda_emb * emb_labelled,
        class_labelled=class_labelled,
        class_unlabelled=zero,
        emb_labelled=emb_labelled,
        emb_unlabelled=zero,
        mask_rate=zero,
        emb_mask_rate=zero,
        any_mask_rate=zero,
    )


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), labels, reduction="none")


def _cosine_distance(embedding: Tensor, target: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(embedding.float(), target.float(), dim=1)
