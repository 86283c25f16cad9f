"""Weight decay spares normalisation layers, whatever they are called."""

import pytest
import torch
from torch import nn

from models.networks.two_head import build_model
from models.step.optimizer import build_optimizer, set_learning_rate


@pytest.mark.parametrize("backbone", ["wres", "resnet18", "resnet50"])
def test_groups(backbone):
    model = build_model(backbone=backbone, num_classes=3, embedding_dim=4, wres_depth=10, wres_width=1)
    optimizer = build_optimizer(model, lr=0.1, momentum=0.9, weight_decay=5e-4)
    decayed, spared = ({id(p) for p in group["params"]} for group in optimizer.param_groups)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5e-4, 0.0]
    norms = {id(p) for module in model.modules() if isinstance(module, nn.BatchNorm2d) for p in module.parameters()}
    assert spared == norms
    assert decayed | spared == {id(p) for p in model.parameters()}


def test_frozen_parameters_are_left_out():
    model = build_model(backbone="wres", num_classes=3, embedding_dim=4, wres_depth=10, wres_width=1)
    model.freeze_backbone()
    optimizer = build_optimizer(model, lr=0.1, momentum=0.9, weight_decay=5e-4)
    (group,) = optimizer.param_groups
    assert len(group["params"]) == 6


def test_a_step_is_nesterovs():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    optimizer = build_optimizer(model, lr=0.1, momentum=0.9, weight_decay=0.01)
    weight, velocity = 1.0, 0.0
    for lr in (0.1, 0.05):
        set_learning_rate(optimizer, lr)
        optimizer.zero_grad()
        model(torch.ones(1, 1)).square().sum().backward()
        optimizer.step()
        gradient = 2 * weight + 0.01 * weight
        velocity = 0.9 * velocity + gradient
        weight -= lr * (gradient + 0.9 * velocity)
    assert model.weight.item() == pytest.approx(weight, rel=1e-6)


def test_a_rate_in_a_tensor_is_set_in_place():
    parameter = nn.Parameter(torch.ones(1))
    rate = torch.tensor(0.5)
    optimizer = torch.optim.SGD([parameter], lr=rate)
    set_learning_rate(optimizer, 0.25)
    assert rate.item() == 0.25


def test_momentum_is_zero_before_the_first_step():
    """float16's loss scale may make the fused kernel leave the first step out; what it keeps must not be chance."""
    optimizer = build_optimizer(nn.Linear(2, 2), lr=0.1, momentum=0.9, weight_decay=0.0)
    assert [not state["momentum_buffer"].any() for state in optimizer.state.values()] == [True, True]
