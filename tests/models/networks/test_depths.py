"""Layers are numbered from the stem to the heads."""

from collections import OrderedDict

import pytest
from torch import nn

from models.networks.backbone import Backbone
from models.networks.depths import parameter_depths
from models.networks.two_head import TwoHeadNet, build_model


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        (
            "wres",
            {"conv1": 0, "layer1.0.bn1": 1, "layer2.0.conv1": 2, "layer3.0.conv1": 3, "bn_last": 3, "fc_emb.2": 4},
        ),
        ("resnet18", {"conv1": 0, "bn1": 0, "layer1.0.bn1": 1, "layer4.1.bn2": 4, "fc_classes": 5, "fc_emb.0": 5}),
        (
            "timm:test_vit",
            {"pos_embed": 0, "patch_embed.proj": 0, "blocks.0.attn.qkv": 1, "blocks.5.norm1": 6, "fc_emb.0": 7},
        ),
        ("timm:test_resnet", {"conv1.0": 0, "layer1.0.conv1": 1, "layer4.0.conv1": 4, "fc_classes": 5}),
        ("timm:test_convnext", {"stem.0": 0, "head.norm": 10, "fc_classes": 11}),
    ],
)
def test_depths(backbone, expected):
    model = build_model(backbone=backbone, num_classes=3, embedding_dim=4, cropsize=32, wres_depth=10, wres_width=1)
    depths = parameter_depths(model)
    assert depths.keys() == dict(model.named_parameters()).keys()
    assert set(depths.values()) == set(range(max(depths.values()) + 1))
    for part, depth in expected.items():
        found = {
            value for name, value in depths.items()
            if name.removesuffix(".weight").removesuffix(".bias").endswith(f".{part}") or name.startswith(f"{part}.")
        }  # fmt: skip
        assert depth == (found and max(found)), (part, found)


def test_a_backbone_that_says_nothing_is_numbered_by_its_parts():
    parts = nn.Sequential(OrderedDict(stem=nn.Conv2d(3, 4, 1), body=nn.Conv2d(4, 4, 1), pool=nn.Flatten()))
    model = TwoHeadNet(backbone=Backbone(parts, "model_other", 4), num_classes=3, embedding_dim=2, hidden_layer=False)
    assert parameter_depths(model) == {
        "model_other.stem.weight": 0, "model_other.stem.bias": 0, "model_other.body.weight": 1, "model_other.body.bias": 1,
        "fc_classes.weight": 2, "fc_classes.bias": 2, "fc_emb.weight": 2, "fc_emb.bias": 2,
    }  # fmt: skip
