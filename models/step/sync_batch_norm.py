"""Batch normalisation over the images of all processes on a CPU; on GPUs, torch's and timm's own layers do it."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from utils.errors import SemcoError
from utils.processes.world import World

_DIMS = (0, 2, 3)  # of (N, C, H, W), all but the channels


def synchronise_batch_norm(model: nn.Module, world: World) -> nn.Module:
    """Return the model with layers that compute their statistics over all processes' images; parameters stay the same tensors.

    Raises:
        SemcoError: the model has other layers than BatchNorm2d that would have to be synchronised.
    """
    norms = {name: layer for name, layer in model.named_modules() if isinstance(layer, _BatchNorm)}
    if unknown := {type(layer).__name__ for layer in norms.values()} - {"BatchNorm2d"}:
        raise SemcoError(
            f"--sync-bn cannot synchronise this network's {', '.join(sorted(unknown))} on a CPU: drop the flag, or use GPUs"
        )
    for name, layer in norms.items():
        parent, _, own_name = name.rpartition(".")
        setattr(model.get_submodule(parent), own_name, _CpuSyncBatchNorm(layer, world.size))
    return model


class _CpuSyncBatchNorm(nn.BatchNorm2d):
    """A BatchNorm2d over the images of all processes, each of which must have equally many; torch's own is for GPUs only."""

    def __init__(self, like: nn.BatchNorm2d, world_size: int) -> None:
        super().__init__(like.num_features, eps=like.eps, momentum=like.momentum)
        self.weight, self.bias = like.weight, like.bias
        self.load_state_dict(like.state_dict())
        self.train(like.training)
        self._world_size = world_size

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.training:
            return super().forward(images)
        output, mean, variance = _Normalise.apply(images, self.weight, self.bias, self.eps, self._world_size)
        self._follow(mean, variance, count=self._world_size * images[:, 0].numel())
        return output

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, *, count: int) -> None:
        """Move the running statistics towards a batch's, whose variance is made unbiased, as BatchNorm2d does."""
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)


class _Normalise(torch.autograd.Function):
    """Batch normalisation with sums over all processes, taken in float64: one exchange forward, one backward."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float, world_size: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.count = world_size * images[:, 0].numel()
        wide = images.double()
        mean, square = _over_all(wide.sum(_DIMS), wide.square().sum(_DIMS)) / ctx.count
        variance = (square - mean.square()).clamp_(min=0)
        inverse = (variance + eps).rsqrt()
        normalised = wide.sub_(_per_channel(mean)).mul_(_per_channel(inverse)).float()
        ctx.save_for_backward(normalised, weight, inverse)
        mean, variance = mean.float(), variance.float()
        ctx.mark_non_differentiable(mean, variance)
        output = normalised * _per_channel(weight) + _per_channel(bias)
        return output.to(images.dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        normalised, weight, inverse = ctx.saved_tensors
        wide = gradient.double()
        own = wide.sum(_DIMS), (wide * normalised).sum(_DIMS)
        mean, along = _over_all(*own) / ctx.count
        wide.sub_(_per_channel(mean)).sub_(_per_channel(along) * normalised).mul_(_per_channel(weight * inverse))
        return wide.to(gradient.dtype), own[1].to(weight.dtype), own[0].to(weight.dtype), None, None


def _over_all(*sums: Tensor) -> Tensor:
    """Add sums (C,) up over all processes; returns them as rows of one tensor."""
    total = torch.stack(sums)
    dist.all_reduce(total)
    return total


def _per_channel(values: Tensor) -> Tensor:
    """(C,) -> (C, 1, 1), to go with (N, C, H, W)."""
    return values[:, None, None]
