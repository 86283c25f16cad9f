"""Model and batches -> both heads' answers for every image."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import nn

from models.label_guessor import LabelGuessor
from utils.results.predictions import Predictions


@torch.no_grad()
def predict(
    model: nn.Module,
    guessor: LabelGuessor,
    batches: Iterable,
    *,
    ids: Sequence[str],
    forward: Callable[[], AbstractContextManager],
) -> Predictions:
    """Collect both heads' answers; the model must be in evaluation mode.

    Args:
        batches: objects with `images` float32 (n, 3, H, W) and `labels` int64 (n,), -1 where unknown.
        ids: name of each image, in the order of the batches.
        forward: context of the forward pass, such as autocast.
    """
    parts: list[tuple[torch.Tensor, ...]] = []
    for batch in batches:
        with forward():
            output = model(batch.images)
        embedding = output.embedding.float()
        answers = (
            batch.labels,
            output.logits.float().softmax(1),
            guessor.probabilities(embedding),
            guessor(embedding).score,
            embedding,
        )
        parts.append(tuple(part.cpu() for part in answers))
    labels, by_class, by_embedding, scores, embeddings = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    if len(ids) != len(labels):
        raise ValueError(f"{len(ids)} ids for {len(labels)} images")
    return Predictions(
        ids=tuple(ids),
        labels=labels,
        class_probabilities=by_class,
        emb_probabilities=by_embedding,
        group_scores=scores,
        embeddings=embeddings,
    )
