"""Backbones with two heads: shapes, gradients, freezing."""

import pytest
import torch

from models.networks.two_head import build_model, resolve_backbone

BACKBONES = ("wres", "resnet18", "resnet50")


def _build(backbone, **extra):
    return build_model(backbone=backbone, num_classes=7, embedding_dim=5, wres_depth=10, wres_width=1, **extra)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_build_and_step(backbone):
    model = _build(backbone)
    output = model(torch.randn(4, 3, 32, 32))
    assert (output.logits.shape, output.embedding.shape) == ((4, 7), (4, 5))
    assert output.features.shape == (4, model.fc_classes.in_features)
    (output.logits.square().mean() + output.embedding.square().mean()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_heads():
    assert len(_build("wres").fc_emb) == len(_build("resnet18").fc_emb) == 3
    assert isinstance(_build("resnet50").fc_emb, torch.nn.Linear)


@pytest.mark.parametrize("backbone", ["wres", "resnet18"])
def test_a_frozen_backbone_stands_still(backbone):
    model = _build(backbone)
    model.freeze_backbone()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    output = model(torch.randn(4, 3, 32, 32))
    (output.logits.square().mean() + output.embedding.square().mean()).backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0).step()
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"fc_classes", "fc_emb"}
    assert model.training
    assert not model.backbone.training


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [(None, 32, "wres"), (None, 64, "wres"), (None, 65, "resnet50"), ("resnet18", 32, "resnet18")],
)
def test_default_backbone(name, size, expected):
    assert resolve_backbone(name, size) == expected
