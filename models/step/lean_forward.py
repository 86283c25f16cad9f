"""The forward pass with fewer kernels: what autocast and batch normalisation launch once per tensor is launched once."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _NormBase

# Autocast casts the weights of exactly these as they are. A subclass may compute with its weights first, as timm's
# convolutions that standardise them do in float32: autocast casts what comes of it.
_CAST = (nn.Conv2d, nn.Linear)


class LeanForward(nn.Module):
    """Calls `model` with weights that are cast together and batches that are counted together: the same bits, fewer kernels.

    Autocast casts each weight on its own, and its gradient back; each BatchNorm counts its batches on its own. At WRN-28-2
    these are a hundred launches per step, which a GPU waits for. One process only: several reduce each gradient as soon as
    it is there, but here all gradients are there at once.

    Args:
        dtype: the number format of autocast's context, in which the model is called.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self._dtype = dtype
        self._norms = [module for module in model.modules() if isinstance(module, _NormBase)]
        slots = [
            (module._parameters, name)
            for module in model.modules()
            if type(module) in _CAST
            for name in module._parameters
        ]
        self._slots = [(held, name) for held, name in slots if held[name] is not None]

    def forward(self, images: Tensor) -> Any:
        """Return what the model makes of images (N, 3, H, W)."""
        if not self.training:
            return self.model(images)
        with self._cast_weights(), self._counted_batches():
            return self.model(images)

    @contextlib.contextmanager
    def _cast_weights(self) -> Iterator[None]:
        """Put weights in the shorter format in the place of the model's own."""
        weights = [held[name] for held, name in self._slots]
        if self._dtype is torch.float32 or not weights:
            yield
            return
        try:
            for (held, name), short in zip(self._slots, _Cast.apply(self._dtype, *weights), strict=True):
                held[name] = short
            yield
        finally:
            for (held, name), weight in zip(self._slots, weights, strict=True):
                held[name] = weight

    @contextlib.contextmanager
    def _counted_batches(self) -> Iterator[None]:
        """Hide the counters of the layers that would count, and count for all of them."""
        counting = [
            norm._buffers
            for norm in self._norms
            if norm.training and norm.track_running_stats and norm.num_batches_tracked is not None
        ]
        counters = [buffers["num_batches_tracked"] for buffers in counting]
        try:
            for buffers in counting:
                buffers["num_batches_tracked"] = None
            yield
        finally:
            for buffers, counter in zip(counting, counters, strict=True):
                buffers["num_batches_tracked"] = counter
        if counters:
            torch._foreach_add_(counters, 1)


class _Cast(torch.autograd.Function):
    """Casts tensors, and their gradients back, with one kernel each way."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.dtypes = [weight.dtype for weight in weights]
        short = [torch.empty_like(weight, dtype=dtype) for weight in weights]
        torch._foreach_copy_(short, list(weights))
        ctx.mark_non_differentiable(
            *(one for one, weight in zip(short, weights, strict=True) if not weight.requires_grad)
        )
        return tuple(short)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        given = [gradient for gradient in gradients if gradient is not None]
        dtypes = [dtype for dtype, gradient in zip(ctx.dtypes, gradients, strict=True) if gradient is not None]
        wide = [torch.empty_like(gradient, dtype=dtype) for gradient, dtype in zip(given, dtypes, strict=True)]
        if wide:
            torch._foreach_copy_(wide, given)
        found = iter(wide)
        return None, *(None if gradient is None else next(found) for gradient in gradients)
