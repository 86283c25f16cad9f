"""Take a training step back on the device, without the host ever knowing whether it was."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from models.ema import ModelEma


class StepGuard:
    """Keeps a copy of what a step changes: weights, running statistics, momentum, average.

    This costs a second copy of all four, and two passes over them a step.

    Args:
        model, ema, optimizer: whose tensors must stay the same for as long as the guard is used.
        reduce: adds a tensor up over all processes, which must all take a step back or none.
    """

    def __init__(
        self, model: nn.Module, ema: ModelEma, optimizer: Optimizer, *, reduce: Callable[[Tensor], Tensor]
    ) -> None:
        self._reduce = reduce
        self._parameters = [parameter.detach() for parameter in model.parameters()]
        self._changing = [
            *self._parameters,
            *model.buffers(),
            *ema.module.parameters(),
            *ema.module.buffers(),
            *_momentum_buffers(optimizer),
        ]
        self._kept = [torch.empty_like(tensor) for tensor in self._changing]

    @torch.no_grad()
    def remember(self) -> None:
        """Copy everything, before the forward pass: it changes the running statistics."""
        torch._foreach_copy_(self._kept, self._changing)

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


def _momentum_buffers(optimizer: Optimizer) -> list[Tensor]:
    """The optimiser's momentum, made where no step has made it yet: momentum of zero is what it begins with."""
    if not isinstance(optimizer, SGD):
        raise TypeError(f"only SGD's state is known, not that of {type(optimizer).__name__}")
    buffers = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            buffers.append(state["momentum_buffer"])
    return buffers
