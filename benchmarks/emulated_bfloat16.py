"""What bfloat16 autocast computes in convolutions, on processors that have no instructions for it.

There PyTorch's own bfloat16 convolutions are some ten times slower than float32, too slow for whole trainings. Rounding both
operands and the result to bfloat16 around a float32 convolution gives the same numbers but for the order of the sums inside.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class EmulatedBfloat16(TorchFunctionMode):
    """While it is active, convolutions under CPU autocast to bfloat16 compute in float32 between roundings to bfloat16."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replace convolutions; let everything else pass."""
        if func is torch.conv2d and torch.is_autocast_enabled("cpu"):
            return _convolve(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _convolve(images: Tensor, weight: Tensor, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """`torch.conv2d` without a bias, bfloat16 out."""
    if bias is not None or groups != 1:
        raise NotImplementedError("the emulation knows convolutions without bias and without groups only")
    with torch.autocast("cpu", enabled=False):
        return _RoundedConvolution.apply(images, weight, _pair(stride), _pair(padding), _pair(dilation))


class _RoundedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, *geometry: list[int]) -> Tensor:
        """Images (N, C, H, W), weight (K, C, h, w) -> (N, K, H', W') bfloat16."""
        ctx.geometry, ctx.dtypes = geometry, (images.dtype, weight.dtype)
        images, weight = images.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(images, weight)
        stride, padding, dilation = geometry
        return nn.functional.conv2d(
            images.float(), weight.float(), stride=stride, padding=padding, dilation=dilation
        ).bfloat16()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        """Gradients of images and weight, rounded to bfloat16 as autocast's own are."""
        images, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        wanted = [*ctx.needs_input_grad[:2], False]
        found = torch.ops.aten.convolution_backward(
            gradient.float(), images.float(), weight.float(), None, stride, padding, dilation, False, [0, 0], 1, wanted
        )
        rounded = [
            None if part is None else part.bfloat16().to(dtype)
            for part, dtype in zip(found[:2], ctx.dtypes, strict=True)
        ]
        return (*rounded, None, None, None)


def _pair(value: int | tuple[int, int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
