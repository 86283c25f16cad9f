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
            {"model_base.backbone.conv1": 0, "model_base.backbone.layer1.0.bn1": 1, "model_base.backbone.bn_last": 3},
        ),
        (
            "resnet18",
            {"model_resnet.conv1": 0, "model_resnet.bn1": 0, "model_resnet.layer4.1.bn2": 4, "fc_classes": 5, "fc_emb.0": 5},
        ),
        (
            "timm:test_vit",
            {"model_timm.patch_embed.proj": 0, "model_timm.blocks.0.norm1": 1, "model_timm.norm": 6, "fc_classes": 7},
        ),
        ("timm:test_resnet", {"model_timm.conv1.0": 0, "model_timm.layer4.0.conv1": 4, "fc_classes": 5}),
        ("timm:test_convnext", {"model_timm.stem.0": 0, "model_timm.head.norm": 10, "fc_classes": 11}),
    ],
)  # fmt: skip
def test_depths(backbone, expected):
    model = build_model(backbone=backbone, num_classes=3, embedding_dim=4, cropsize=32, wres_depth=10, wres_width=1)
    depths = parameter_depths(model)
    assert depths.keys() == dict(model.named_parameters()).keys()
    assert set(depths.values()) == set(range(max(depths.values()) + 1))
    assert {part: depths[f"{part}.weight"] for part in expected} == expected


def test_a_backbone_that_says_nothing_is_numbered_by_its_parts():
    parts = nn.Sequential(OrderedDict(stem=nn.Conv2d(3, 4, 1), body=nn.Conv2d(4, 4, 1), pool=nn.Flatten()))
    model = TwoHeadNet(backbone=Backbone(parts, "model_other", 4), num_classes=3, embedding_dim=2, hidden_layer=False)
    assert parameter_depths(model) == {
        "model_other.stem.weight": 0, "model_other.stem.bias": 0, "model_other.body.weight": 1, "model_other.body.bias": 1,
        "fc_classes.weight": 2, "fc_classes.bias": 2, "fc_emb.weight": 2, "fc_emb.bias": 2,
    }  # fmt: skip
