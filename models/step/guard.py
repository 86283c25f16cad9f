"""Take a training step back on the device, without the host ever knowing whether it was."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import SGD

from models.step.ema import ModelEma, pairs_by_dtype


class StepGuard:
    """Keeps a copy of what a step changes: weights, running statistics, momentum, average.

    This costs a second copy of all four, and two passes over them a step.

    Args:
        model, ema, optimizer: whose tensors must stay the same for as long as the guard is used.
        reduce: adds a tensor up over all processes, which must all take a step back or none.
    """

    def __init__(self, model: nn.Module, ema: ModelEma, optimizer: SGD, *, reduce: Callable[[Tensor], Tensor]) -> None:
        self._reduce = reduce
        self._parameters = [parameter.detach() for parameter in model.parameters()]
        self._changing = [
            *self._parameters,
            *model.buffers(),
            *ema.module.parameters(),
            *ema.module.buffers(),
            *(state["momentum_buffer"] for state in optimizer.state.values()),
        ]
        self._kept = [torch.empty_like(tensor) for tensor in self._changing]
        self._copies = pairs_by_dtype(self._kept, self._changing)

    @torch.no_grad()
    def remember(self) -> None:
        """Copy everything, before the forward pass: it changes the running statistics."""
        for kept, changing in self._copies:
            torch._foreach_copy_(kept, changing)

    @torch.no_grad()
    def undo(self, broken: Tensor) -> Tensor:
        """Put the copies back if the step broke.

        Args:
            broken: 0-d bool, true where the loss is not finite.

        Returns:
            Whether the step was taken back, 0-d bool: because of the loss, or because of the weights that it left.
        """
        norms = torch.stack(torch._foreach_norm(self._parameters)).sum()
        broken = self._reduce((broken | ~torch.isfinite(norms)).float()) > 0
        for now, before in zip(self._changing, self._kept, strict=True):
            # Not arithmetic: NaN times zero is NaN.
            torch.where(broken, before, now, out=now)
        return broken
