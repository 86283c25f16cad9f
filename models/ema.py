"""Exponential moving average of a model's parameters."""

import copy

import torch
from torch import nn


class ModelEma:
    """A separate copy of a model, in evaluation mode, whose parameters follow the model's slowly.

    Args:
        model: what is followed; its parameters must stay the same tensors for as long as it is.
        decay: share of the average that is kept at each update.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self._averages = list(self.module.parameters())
        self._parameters = [parameter.detach() for parameter in model.parameters()]
        self._copies = list(self.module.buffers())
        self._buffers = list(model.buffers())

    @torch.no_grad()
    def update(self) -> None:
        """Take up the model's newest parameters; copy its buffers (BatchNorm's running statistics)."""
        torch._foreach_lerp_(self._averages, self._parameters, 1 - self._decay)
        if self._buffers:
            torch._foreach_copy_(self._copies, self._buffers)
