"""The emulation of bfloat16 convolutions against PyTorch's own, which are slow on most processors but exact enough to compare."""

import contextlib

import pytest
import torch
from torch import nn

from benchmarks.emulated_bfloat16 import EmulatedBfloat16


def _forward_and_gradients(convolution: nn.Conv2d, mode) -> list[torch.Tensor]:
    images = torch.randn(1, 8, 9, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
    convolution.zero_grad()
    with mode, torch.autocast("cpu", torch.bfloat16):
        output = convolution(images)
    (output.float() ** 2).sum().backward()
    assert output.dtype is torch.bfloat16
    assert images.grad.dtype is convolution.weight.grad.dtype is torch.float32
    return [output.float(), images.grad, convolution.weight.grad.clone()]


@pytest.mark.parametrize("geometry", [{"padding": 1}, {"stride": 2}, {"dilation": 2, "padding": 2}])
def test_it_agrees_with_torch(geometry):
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 16, 3, bias=False, **geometry)
    emulated = _forward_and_gradients(convolution, EmulatedBfloat16())
    native = _forward_and_gradients(convolution, contextlib.nullcontext())
    # Some units in the last of bfloat16's eight bits: PyTorch's own rounds partial sums as well.
    for ours, theirs in zip(emulated, native, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2**-7, atol=2**-6 * theirs.abs().mean().item())


def test_float32_stays_float32():
    images, weight = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
    with EmulatedBfloat16():
        found = torch.conv2d(images, weight)
    assert torch.equal(found, torch.conv2d(images, weight))


def test_what_it_cannot_emulate_is_refused():
    layer = nn.Conv2d(2, 2, 3)
    with EmulatedBfloat16(), torch.autocast("cpu", torch.bfloat16), pytest.raises(NotImplementedError, match="bias"):
        layer(torch.zeros(1, 2, 5, 5))
