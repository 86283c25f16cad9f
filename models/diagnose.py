"""What both heads would teach of unlabelled images, and which of them moves the backbone."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from models.label_guessor import LabelGuessor
from utils.results.pseudo_labels import HeadGuesses, PoolGuesses

# Keeps float16's small gradients above its smallest number; what is reported are ratios.
_SCALE = 1024.0


def gradient_share(class_loss: Tensor, emb_loss: Tensor, parameters: Sequence[Tensor]) -> dict[str, float]:
    """Compare the gradients of two weighted losses with respect to parameters that both of them train.

    Returns:
        `gradient_share_emb`: |g_emb| / (|g_emb| + |g_class|), 0 to 1; `gradient_cosine`: of the angle between the two, -1 where
        they pull in opposite directions. Empty where a gradient is zero or not finite.
    """
    by_class, by_embedding = (
        torch.autograd.grad(_SCALE * loss, parameters, retain_graph=True) for loss in (class_loss, emb_loss)
    )
    lengths = torch.stack([_dot(by_class, by_class), _dot(by_embedding, by_embedding)]).sqrt()
    if not lengths.isfinite().all() or not lengths.all():
        return {}
    return {
        "gradient_share_emb": float(lengths[1] / lengths.sum()),
        "gradient_cosine": float(_dot(by_class, by_embedding) / lengths.prod()),
    }


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Return the inner product of two gradients, 0-d float64."""
    return torch.stack(
        [(first.double() * second.double()).sum() for first, second in zip(one, other, strict=True)]
    ).sum()


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
