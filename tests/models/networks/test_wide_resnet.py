"""The WideResNet against a plain functional rewrite of its definition."""

import pytest
import torch
from torch.nn import functional as F

from models.networks.wide_resnet import WideResNet


def _reference(state, images, depth):
    """Evaluation-mode forward pass, block by block, from the state dict alone."""

    def activated(x, name):
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.leaky_relu(F.batch_norm(x, *parts), 0.1)

    x = F.conv2d(images, state["conv1.weight"], padding=1)
    for stage in range(3):
        for number in range((depth - 4) // 6):
            name = f"layer{stage + 1}.{number}"
            stride = 2 if stage and not number else 1
            start = activated(x, f"{name}.bn1")
            shortcut = start if stage == number == 0 else x
            if f"{name}.downsample.weight" in state:
                shortcut = F.conv2d(shortcut, state[f"{name}.downsample.weight"], stride=stride)
            y = F.conv2d(start, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            x = shortcut + F.conv2d(activated(y, f"{name}.bn2"), state[f"{name}.conv2.weight"], padding=1)
    return activated(x, "bn_last").mean((2, 3))


@pytest.mark.parametrize(("depth", "width"), [(10, 1), (16, 2), (10, 4)])
def test_equals_the_definition(depth, width):
    model = WideResNet(depth=depth, width=width)
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if "running_var" in name or (value.ndim == 1 and name.endswith("weight")):
            value.uniform_(0.5, 1.5, generator=generator)
        elif value.ndim == 1:
            value.normal_(0, 0.3, generator=generator)
    images = torch.randn(2, 3, 32, 32, generator=generator)
    features = model.eval()(images)
    assert features.shape == (2, 64 * width) == (2, model.num_features)
    torch.testing.assert_close(features, _reference(model.state_dict(), images, depth), atol=1e-5, rtol=1e-4)
    nchw = model(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(nchw, features, atol=1e-5, rtol=1e-4)


def test_momentum_and_start():
    model = WideResNet(depth=10, width=2, bn_momentum=0.05)
    assert {module.momentum for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {0.05}
    assert all(module.bias is None for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    weight = model.layer3[0].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (1.01 * weight[0].numel())) ** 0.5, rel=0.03)


@pytest.mark.parametrize("depth", [4, 9, 29])
def test_impossible_depths(depth):
    with pytest.raises(ValueError, match="6 \\* i"):
        WideResNet(depth=depth)


def test_very_wide_networks_build_and_step():
    model = WideResNet(depth=28, width=8)
    assert model.num_features == 512
    loss = model(torch.randn(2, 3, 16, 16)).square().mean()
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
