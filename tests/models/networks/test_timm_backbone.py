"""Any model of timm as a backbone, at any size of images, and one line for what cannot be."""

import ast
import importlib.util

import pytest
import timm
import torch
from torch import nn

from models.networks.timm_backbone import build_timm, can_normalise, describe_input, share_statistics
from models.networks.two_head import build_model
from tests.support.project import ROOT
from utils.errors import SemcoError

FAMILIES = ("timm:test_resnet", "timm:test_vit", "timm:test_convnext")


def _build(backbone, cropsize=32):
    return build_timm(backbone, cropsize=cropsize, pretrained=False)


@pytest.mark.parametrize("backbone", [*FAMILIES, "timm:test_mambaout", "timm:test_vit.r160_in1k"])
def test_build_and_step(backbone):
    model = build_model(backbone=backbone, num_classes=7, embedding_dim=5, cropsize=32)
    output = model(torch.randn(4, 3, 32, 32))
    assert (output.logits.shape, output.embedding.shape) == ((4, 7), (4, 5))
    assert output.features.shape == (4, model.fc_classes.in_features)
    (output.logits.square().mean() + output.embedding.square().mean()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.normalisation is None
    assert all(name.startswith(("model_timm.", "fc_")) for name in model.state_dict())


@pytest.mark.parametrize(
    ("backbone", "cropsize", "cells"),
    [("timm:vit_small_patch14_dinov2", 56, 17), ("timm:vit_xsmall_patch16_clip_224", 64, 17)],
)
def test_image_towers_of_dinov2_and_clip_for_small_images(backbone, cropsize, cells):
    """Their position embeddings, with one for the class token, are those of the small image's grid."""
    built = _build(backbone, cropsize)
    embeddings = [value for name, value in built.network.named_parameters() if name.endswith("pos_embed")]
    assert [value.numel() // value.shape[-1] for value in embeddings] == [cells]


def test_a_frozen_backbone_stands_still():
    model = build_model(backbone="timm:test_resnet", num_classes=7, embedding_dim=5, cropsize=32)
    model.freeze_backbone()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model.train()(torch.randn(4, 3, 32, 32)).logits.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ("timm:test_resmet", "the nearest names are test_resnet, "),
        ("timm:???", r"timm.list_models\(\) lists the names"),
        ("timm:hf-hub:someone/model", "no model called 'hf-hub:someone/model'"),
        ("timm:local-dir:/tmp/model", "no model called"),
        ("timm:test_resnet.imagenet", r"no weights called .*those of test_resnet are: test_resnet.r160_in1k$"),
        ("timm:test_mambaout.x", "those of test_mambaout are: none$"),
    ],
)
def test_names_that_timm_does_not_have(backbone, words):
    with pytest.raises(SemcoError, match=words):
        _build(backbone)


def test_a_size_that_does_not_fit():
    words = "does not take images of 33 pixels .*pass --cropsize 160, or another multiple of 16, and an --im-size"
    with pytest.raises(SemcoError, match=words):
        _build("timm:test_vit", 33)


@pytest.mark.parametrize("network", [nn.Conv2d(3, 4, 1), nn.Sequential()])
def test_a_model_without_pooled_features(monkeypatch, network):
    network.pretrained_cfg = {"input_size": (3, 8, 8)}
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: network)
    with pytest.raises(SemcoError, match="no pooled features .*choose a model that classifies images"):
        _build("timm:test_vit", 8)


def test_without_timm(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SemcoError, match="needs timm: pip install -r requirements-timm.txt"):
        _build("timm:test_vit")


def test_timm_is_imported_for_its_own_models_only():
    """It takes a second, and is an extra requirement: no module imports it where modules are imported."""
    for path in (ROOT / "models").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "timm" for name in names), path


@pytest.mark.parametrize(
    ("backbone", "cropsize", "expected"),
    [
        ("timm:test_resnet", 160, None),
        ("timm:test_resnet", 32, "the model was made for --cropsize 160, resized by bilinear interpolation"),
        ("timm:vit_small_patch14_dinov2", 60, "its patches of 14 pixels leave 4 rows and columns of each image unseen"),
    ],
)
def test_hints_about_the_input(backbone, cropsize, expected):
    found = describe_input(_build(backbone, cropsize).network, cropsize)
    assert found is None if expected is None else expected in found


@pytest.mark.parametrize(
    ("backbone", "cropsize", "works"),
    [("timm:test_resnet", 32, False), ("timm:test_resnet", 64, True), ("timm:test_vit", 32, True)],
)
def test_single_images_that_batch_norm_can_normalise(backbone, cropsize, works):
    network = _build(backbone, cropsize).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert can_normalise(network, cropsize) is works
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_layers_that_share_statistics_keep_their_activations():
    network = _build("timm:test_efficientnet").network.eval()
    images = torch.randn(2, 3, 32, 32)
    expected = network(images)
    shared = share_statistics(network).eval()
    assert any(isinstance(module, nn.SyncBatchNorm) for module in shared.modules())
    torch.testing.assert_close(shared(images), expected)
