"""Model and weak views of unlabelled images -> what both heads would teach."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
from torch import nn

from models.label_guessor import LabelGuessor
from utils.results.pseudo_labels import HeadGuesses, PoolGuesses


@torch.no_grad()
def guess_pool(
    model: nn.Module,
    guessor: LabelGuessor,
    batches: Iterable,
    *,
    thr: float,
    forward: Callable[[], AbstractContextManager],
) -> PoolGuesses:
    """Guess the labels of unlabelled images as a training step would, but with running statistics and without learning.

    Args:
        model: the network that is trained, not its average: its guesses are the ones that train it. It is put into evaluation
            mode.
        batches: objects with weak views `images` float32 (n, 3, H, W), and `labels` int64 (n,), -1 where unknown.
        thr: the class head's confidence threshold.
        forward: context of the forward pass, such as autocast.
    """
    model.eval()
    parts: list[tuple[torch.Tensor, ...]] = []
    for batch in batches:
        with forward():
            output = model(batch.images)
        confidence, label = output.logits.float().softmax(1).max(1)
        guess = guessor(output.embedding)
        certainty = guessor.probabilities(output.embedding).gather(1, guess.hint[:, None])[:, 0]
        parts.append((batch.labels, label, confidence, confidence >= thr, guess.hint, certainty, guess.mask > 0))
    truth, *answers = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return PoolGuesses(by_class=HeadGuesses(*answers[:3]), by_embedding=HeadGuesses(*answers[3:]), truth=truth)
