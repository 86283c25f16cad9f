"""Undo a non-finite training step on the device, without synchronising with the host."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from models.step.ema import ModelEma, pairs_by_dtype

_WHOLE_NUMBERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class StepGuard:
    """Keeps a copy of what a step changes: weights, running statistics, average, the optimiser's state.

    This costs a second copy of all four in memory, and four passes over them per step in a few kernels.

    Args:
        model, ema, optimizer: whose tensors must stay the same for as long as the guard is used.
        reduce: adds a tensor up over all processes, which must all undo a step or none.
        others: more tensors that a step changes in place.
    """

    def __init__(
        self,
        model: nn.Module,
        ema: ModelEma,
        optimizer: Optimizer,
        *,
        reduce: Callable[[Tensor], Tensor],
        others: Iterable[Tensor] = (),
    ) -> None:
        self._reduce = reduce
        self._parameters = [parameter.detach() for parameter in model.parameters()]
        changing = [
            *self._parameters,
            *model.buffers(),
            *ema.module.parameters(),
            *ema.module.buffers(),
            *(value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)),
            *others,
        ]
        self._copies = pairs_by_dtype(_bits(map(torch.empty_like, changing)), _bits(changing))

    @torch.no_grad()
    def remember(self) -> None:
        """Copy everything, before the forward pass: it changes the running statistics."""
        for kept, changing in self._copies:
            torch._foreach_copy_(kept, changing)

    @torch.no_grad()
    def undo(self, broken: Tensor) -> Tensor:
        """Put the copies back if the step is broken.

        Args:
            broken: 0-d bool, true where the loss is not finite.

        Returns:
            Whether the step was undone, 0-d bool: because of the loss, or because of the weights that it left.
        """
        norms = torch.stack(torch._foreach_norm(self._parameters)).sum()
        broken = self._reduce((broken | ~torch.isfinite(norms)).float()) > 0
        for kept, changing in self._copies:
            # changing += broken * (kept - changing), on the numbers' bits: NaN times zero is NaN, but no bits are.
            torch._foreach_sub_(kept, changing)
            torch._foreach_mul_(kept, broken.to(kept[0].dtype))
            torch._foreach_add_(changing, kept)
        return broken


def _bits(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the same memory as whole numbers of the same size, whose sums and differences wrap around."""
    return [tensor.detach().view(_WHOLE_NUMBERS[tensor.element_size()]) for tensor in tensors]
