"""Model and batches -> exact accuracies."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.label_guessor import LabelGuessor
from utils.metrics import CLASS_HEAD, EMBEDDING_HEAD, top_k_hits


@torch.no_grad()
def evaluate(
    model: nn.Module,
    guessor: LabelGuessor,
    batches: Iterable,
    *,
    forward: Callable[[], AbstractContextManager],
    reduce: Callable[[Tensor], Tensor] = lambda counts: counts,
    has_embedding: bool = True,
) -> dict[str, float]:
    """Count hits over all images; the model must be in evaluation mode.

    Args:
        batches: objects with `images` float32 (n, 3, H, W) and `labels` int64 (n,).
        forward: context of the forward pass, such as autocast.
        reduce: adds a tensor of counts up over all processes.
        has_embedding: False where the embedding head is not trained: its accuracies would be those of noise.

    Returns:
        `top1`, `top5` (class head), `top1_emb`, `top5_emb` (embedding head), `top1_combined` (mean of both heads'
        probabilities), in percent, and `valid_loss`, the class head's mean cross-entropy. Without a trained embedding head
        the three in which it has a part are missing.
    """
    device = guessor.class_vectors.device
    names = (*CLASS_HEAD, *EMBEDDING_HEAD) if has_embedding else CLASS_HEAD
    counts = torch.zeros(len(names) + 2, dtype=torch.float64, device=device)
    for batch in batches:
        with forward():
            output = model(batch.images)
        logits = output.logits.float()
        class_probabilities = logits.softmax(1)
        scores = [(class_probabilities, 1), (class_probabilities, 5)]
        if has_embedding:
            emb_probabilities = guessor.probabilities(output.embedding)
            scores += [
                (emb_probabilities, 1),
                (emb_probabilities, 5),
                ((class_probabilities + emb_probabilities) / 2, 1),
            ]
        # Nothing is read here, nor copied from pageable memory: the host prepares the next batch meanwhile.
        counts += torch.stack(
            [
                *(top_k_hits(probabilities, batch.labels, k) for probabilities, k in scores),
                F.cross_entropy(logits, batch.labels, reduction="sum").double(),
                counts.new_full((), float(len(batch.labels))),
            ]
        )
    *hits, loss, total = reduce(counts).tolist()
    return {
        **{name: 100.0 * hit / total for name, hit in zip(names, hits, strict=True)},
        "valid_loss": loss / total,
    }
