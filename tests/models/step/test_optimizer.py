"""Weight decay spares normalisation layers, whatever they are called."""

import pytest
import torch
from torch import nn

from models.networks.depths import parameter_depths
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


def _adamw(model, **settings):
    return build_optimizer(model, lr=0.1, momentum=0.9, weight_decay=0.05, kind="adamw", **settings)


def _names(model, optimizer):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [{names[id(parameter)] for parameter in group["params"]} for group in optimizer.param_groups]


def test_adamw_spares_biases_norms_and_what_a_transformer_names():
    model = build_model(backbone="timm:test_vit", num_classes=3, embedding_dim=4, cropsize=32)
    optimizer = _adamw(model)
    decayed, spared = _names(model, optimizer)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.05, 0.0]
    assert {"model_timm.pos_embed", "model_timm.cls_token", "model_timm.norm.weight", "fc_classes.bias"} <= spared
    assert {"fc_classes.weight", "fc_emb.0.weight", "model_timm.blocks.0.attn.qkv.weight"} <= decayed
    assert all(name.endswith(".weight") for name in decayed)
    assert len(decayed | spared) == len(list(model.parameters()))


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_rates_fall_with_depth(kind):
    model = build_model(backbone="timm:test_vit", num_classes=3, embedding_dim=4, cropsize=32)
    depths = parameter_depths(model)
    optimizer = build_optimizer(
        model, lr=0.1, momentum=0.9, weight_decay=0.01, kind=kind, layer_decay=0.5, depths=depths
    )
    set_learning_rate(optimizer, 0.2)
    rates = {
        name: group["lr"]
        for group, names in zip(optimizer.param_groups, _names(model, optimizer), strict=True)
        for name in names
    }
    assert rates == pytest.approx({name: 0.2 * 0.5 ** (7 - depth) for name, depth in depths.items()})
    assert rates["fc_emb.2.weight"] == 0.2
    assert rates["model_timm.pos_embed"] == pytest.approx(0.2 / 128)


def test_a_step_is_adamws():
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    optimizer = _adamw(ours)
    reference = torch.optim.AdamW(
        [{"params": [theirs.weight], "weight_decay": 0.05}, {"params": [theirs.bias], "weight_decay": 0.0}], lr=0.1
    )
    for lr in (0.1, 0.05, 0.01):
        set_learning_rate(optimizer, lr)
        set_learning_rate(reference, lr)
        for model, one in ((ours, optimizer), (theirs, reference)):
            one.zero_grad()
            model(torch.ones(4, 3)).square().sum().backward()
            one.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_averages_are_zero_before_adamws_first_step():
    optimizer = _adamw(nn.Linear(2, 2))
    for state in optimizer.state.values():
        assert state.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert not any(value.any() for value in state.values())


def test_rates_in_tensors_are_scaled():
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr_scale": 0.5, "lr": torch.tensor(1.0)}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"].item() == 0.125
