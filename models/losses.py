"""The method: the co-training loss (Nassar et al. 2021, section 3), as pure functions of tensors."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from models.label_guessor import Guess
from models.networks.two_head import NetOutput


class LossParts(NamedTuple):
    """The loss and what it is made of, 0-d float32 tensors.

    `class_unlabelled` holds both unlabelled terms of the class head, `emb_unlabelled` those of the embedding head. The
    rates are the shares of unlabelled images whose guess by the class head, the embedding head, or either is confident.
    """

    total: Float[Tensor, ""]
    class_labelled: Float[Tensor, ""]
    class_unlabelled: Float[Tensor, ""]
    emb_labelled: Float[Tensor, ""]
    emb_unlabelled: Float[Tensor, ""]
    mask_rate: Float[Tensor, ""]
    emb_mask_rate: Float[Tensor, ""]
    any_mask_rate: Float[Tensor, ""]


def co_training_loss(
    *,
    labelled: NetOutput,
    weak: NetOutput,
    strong: NetOutput,
    labels: Int[Tensor, " labelled"],
    guess: Guess,
    class_vectors: Float[Tensor, "classes dims"],
    thr: float,
    lam_u: float | Float[Tensor, ""],
    lambda_emb: float | Float[Tensor, ""],
    cotrain: bool = True,
) -> LossParts:
    """Compute the loss of one step.

    With labelled images x of class y and unlabelled images u, p the class head's probabilities, z the embedding head's
    output, and e_c the word vector of class c:

        L_class = CE(x, y) + lam_u * ( mean[m * CE(u_strong, y_hat)] + lambda_emb/3 * mean[m_e * CE(u_strong, h)] )
        L_emb   = mean[1 - cos(z_x, e_y)]
                  + lam_u * ( mean[m_e * (1 - cos(z_strong, t))] + mean[m * (1 - cos(z_strong, e_y_hat))] )
        L       = L_class + lambda_emb * L_emb

    The class head's pseudo-label y_hat = argmax p(u_weak) counts where m = max p(u_weak) >= thr; the embedding head's target
    t and hint h count where m_e says that its guess is confident. Means run over all unlabelled images.

    Args:
        labelled, weak, strong: the network's output for the labelled images (B rows), and for the weak and the strong views
            of the same unlabelled images (U rows each). No gradient flows through `weak`.
        labels: the labelled images' classes y.
        guess: what the embedding head makes of the weak views (t, m_e and h), from `LabelGuessor`.
        thr: the class head's confidence threshold.
        lam_u, lambda_emb: weights of the losses; tensors where they change from step to step.
        cotrain: False drops each head's use of the other's guesses: the terms with h in L_class and y_hat in L_emb.
    """
    confidence, pseudo_labels = weak.logits.detach().float().softmax(dim=1).max(dim=1)
    mask = (confidence >= thr).float()

    class_labelled = _cross_entropy(labelled.logits, labels).mean()
    class_unlabelled = (mask * _cross_entropy(strong.logits, pseudo_labels)).mean()
    emb_labelled = _cosine_distance(labelled.embedding, class_vectors[labels]).mean()
    emb_unlabelled = (guess.mask * _cosine_distance(strong.embedding, guess.target)).mean()
    if cotrain:
        class_from_emb = (guess.mask * _cross_entropy(strong.logits, guess.hint)).mean()
        class_unlabelled = class_unlabelled + lambda_emb / 3 * class_from_emb
        emb_from_class = (mask * _cosine_distance(strong.embedding, class_vectors[pseudo_labels])).mean()
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
    *,
    labelled: NetOutput,
    labels: Int[Tensor, " labelled"],
    class_vectors: Float[Tensor, "classes dims"],
    lambda_emb: float,
) -> LossParts:
    """Compute `CE(x, y) + lambda_emb * mean[1 - cos(z_x, e_y)]`: `co_training_loss` without unlabelled images."""
    class_labelled = _cross_entropy(labelled.logits, labels).mean()
    emb_labelled = _cosine_distance(labelled.embedding, class_vectors[labels]).mean()
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


def _cross_entropy(logits: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    return F.cross_entropy(logits.float(), labels, reduction="none")


def _cosine_distance(embedding: Float[Tensor, "n dims"], target: Float[Tensor, "n dims"]) -> Float[Tensor, " n"]:
    return 1 - F.cosine_similarity(embedding.float(), target.float(), dim=1)
