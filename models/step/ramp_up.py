"""How far the pseudo-labels can be trusted by now, and how much the losses that rest on them weigh."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# Share of the newest step in the running shares: they cover about 100 steps.
_NEWEST = 0.01
# Heads that agree by chance alone this often name one class only, and what is beyond chance is lost in rounding.
_CERTAIN = 0.999
# What lambda_emb starts from: an embedding head that learns nothing would never agree with the class head.
_FIRST_LAMBDA_EMB = 1.0


class RampUp(nn.Module):
    """Weighs the unlabelled losses and the embedding loss by the reliability of the pseudo-labels, not by a clock.

    Reliability is the agreement of both heads on weak views beyond chance, Cohen's kappa:

        r = s * max(0, (a - e) / (1 - e)),   e = sum over classes c of p_c * q_c

    with a the share of images for which both heads name the same class, and p_c and q_c the shares for which the class head
    and the embedding head name class c, over all unlabelled images, confident or not. All three are exponentially weighted
    means over the steps so far, of which step t counts 0.99 times as much as step t + 1; s = 1 - 0.99^t grows from 0 to 1, as
    they come to rest on more than a few steps. Heads that always name one and the same class agree by chance alone: r is 0.
    Then

        lambda_u(t)   = r * lambda_u
        lambda_emb(t) = f + r * (lambda_emb - f),   f = min(1, lambda_emb)

    The means are buffers on the device, which a step updates in place without synchronising with the host.

    Args:
        num_classes: C.
        lam_u, lambda_emb: the weights at r = 1.
        reduce: adds a tensor up over all processes, which are `world_size`.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        lam_u: float,
        lambda_emb: float,
        reduce: Callable[[Tensor], Tensor],
        world_size: int,
    ) -> None:
        super().__init__()
        self._lam_u, self._lambda_emb = lam_u, lambda_emb
        self._reduce, self._world_size = reduce, world_size
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("agreement", torch.zeros(()))
        self.register_buffer("by_class", torch.zeros(num_classes))
        self.register_buffer("by_embedding", torch.zeros(num_classes))

    @torch.no_grad()
    def update(self, class_labels: Tensor, emb_labels: Tensor) -> None:
        """Count in what the heads make of a step's weak views, int64 (U,) each."""
        ones = torch.ones(len(class_labels), device=class_labels.device)
        counts = torch.cat(
            [
                (class_labels == emb_labels).sum(dtype=torch.float32)[None],
                torch.zeros_like(self.by_class).scatter_add_(0, class_labels, ones),
                torch.zeros_like(self.by_embedding).scatter_add_(0, emb_labels, ones),
            ]
        )
        shares = self._reduce(counts) / (len(class_labels) * self._world_size)
        agreement, by_class, by_embedding = shares.split([1, len(self.by_class), len(self.by_embedding)])
        self.seen.lerp_(torch.ones_like(self.seen), _NEWEST)
        self.agreement.lerp_(agreement[0], _NEWEST)
        self.by_class.lerp_(by_class, _NEWEST)
        self.by_embedding.lerp_(by_embedding, _NEWEST)

    def reliability(self) -> Tensor:
        """Return r, 0-d float32 from 0 to 1."""
        seen = self.seen.clamp(min=_NEWEST)  # before the first step all means are 0
        by_chance = (self.by_class / seen * (self.by_embedding / seen)).sum()
        beyond = (self.agreement / seen - by_chance) / (1 - by_chance)
        return self.seen * torch.where(by_chance < _CERTAIN, beyond, 0.0).clamp(0, 1)

    def weights(self) -> tuple[Tensor, Tensor]:
        """Return lambda_u and lambda_emb as they are now, 0-d float32."""
        reliability, first = self.reliability(), min(_FIRST_LAMBDA_EMB, self._lambda_emb)
        return self._lam_u * reliability, first + (self._lambda_emb - first) * reliability
