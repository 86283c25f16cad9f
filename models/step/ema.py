"""Exponential moving average of a model's parameters."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ModelEma:
    """A separate copy of a model, in evaluation mode, whose parameters follow the model's slowly.

    Args:
        model: the model that is averaged; its parameters must stay the same tensors.
        decay: share of the average that is kept at each update.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self._averages = list(self.module.parameters())
        self._parameters = [parameter.detach() for parameter in model.parameters()]
        self._buffers = pairs_by_dtype(self.module.buffers(), model.buffers())

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the model's parameters; copy its buffers (BatchNorm's running statistics)."""
        torch._foreach_lerp_(self._averages, self._parameters, 1 - self._decay)
        for copies, buffers in self._buffers:
            torch._foreach_copy_(copies, buffers)


def pairs_by_dtype(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Return lists of targets and sources, one pair per dtype: `torch._foreach_*` is fast for lists of one dtype only."""
    lists: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for target, source in zip(targets, sources, strict=True):
        two = lists.setdefault(target.dtype, ([], []))
        two[0].append(target)
        two[1].append(source)
    return list(lists.values())
