"""Pretrained weights of timm models: all but the classifier is loaded, or the file is refused."""

import logging

import pytest
import timm
import torch
from safetensors.torch import save_file

from models.networks.two_head import build_model
from utils.errors import SemcoError

NAME = "test_vit.r160_in1k"


def _build(name, weights=None, cropsize=160):
    return build_model(
        backbone=f"timm:{name}",
        num_classes=3,
        embedding_dim=4,
        cropsize=cropsize,
        pretrained=True,
        imagenet_weights=weights,
    )


@pytest.fixture(scope="module")
def source():
    torch.manual_seed(7)
    return timm.create_model(NAME)


def _assert_loaded(model, source):
    weights = source.state_dict()
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, weights[name]), name


@pytest.mark.parametrize("layout", ["bare", "safetensors", "model", "state_dict_ema", "module.", "no classifier"])
def test_layouts_of_files(source, tmp_path, layout):
    weights = source.state_dict()
    file = tmp_path / f"weights.{'safetensors' if layout == 'safetensors' else 'pth'}"
    if layout == "safetensors":
        save_file(weights, file)
    elif layout == "module.":
        torch.save({"state_dict": {f"module.{name}": value for name, value in weights.items()}, "epoch": 3}, file)
    elif layout == "no classifier":
        torch.save({name: value for name, value in weights.items() if not name.startswith("head.")}, file)
    else:
        torch.save(weights if layout == "bare" else {layout: weights, "epoch": 3}, file)
    _assert_loaded(_build(NAME, file), source)


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_other_families_and_other_numbers_of_classes(tmp_path, name):
    source = timm.create_model(name, num_classes=12)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    model = _build(name, tmp_path / "weights.pth", cropsize=32)
    _assert_loaded(model, source)
    assert model.normalisation == (
        *(source.pretrained_cfg[which] for which in ("mean", "std")),
        f"those of timm's {name}",
    )


def test_published_names_are_converted_as_timm_does(tmp_path):
    """ConvNeXt's authors call the classifier and the norm otherwise than timm."""
    source = timm.create_model("test_convnext", num_classes=1000)
    published = {}
    for name, value in source.state_dict().items():
        name = name.replace("stem.", "downsample_layers.0.").replace("mlp.fc1", "pwconv1").replace("mlp.fc2", "pwconv2")
        name = name.replace("conv_dw", "dwconv").replace("head.norm", "norm").replace("head.fc", "head")
        if name.startswith("stages."):
            stage, rest = name.split(".", 2)[1:]
            name = f"downsample_layers.{stage}.{rest.removeprefix('downsample.')}" if "downsample" in rest else name
            name = name.replace(".blocks.", ".")
        published[name] = value
    assert "head.weight" in published
    torch.save({"model": published}, tmp_path / "published.pth")
    _assert_loaded(_build("test_convnext", tmp_path / "published.pth", cropsize=32), source)


def test_position_embeddings_are_resampled(source, tmp_path):
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    model = _build(NAME, tmp_path / "weights.pth", cropsize=64)
    assert model.backbone.pos_embed.shape[1] - source.pos_embed.shape[1] == 16 - 100
    assert model(torch.zeros(1, 3, 64, 64)).features.isfinite().all()
    mine, theirs = model.backbone.state_dict(), source.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine if name != "pos_embed")
    torch.testing.assert_close(mine["pos_embed"].mean(1), theirs["pos_embed"].mean(1), atol=5e-3, rtol=0)


def _changed(source, **changes):
    return {**source.state_dict(), **changes}


def test_files_that_do_not_fit(source, tmp_path):
    lacking = source.state_dict()
    del lacking["blocks.0.attn.qkv.weight"]
    contents = {
        "other": (timm.create_model("test_resnet").state_dict(), "it lacks 'cls_token', .* and [0-9]+ more"),
        "lacking": (lacking, "it lacks 'blocks.0.attn.qkv.weight'"),
        "more": (_changed(source, surplus=torch.zeros(2)), "it has the unknown 'surplus'"),
        "shape": (_changed(source, cls_token=torch.zeros(1, 1, 3)), "it has other shapes of 'cls_token'"),
        "nan": (_changed(source, cls_token=torch.full((1, 1, 64), float("nan"))), "not finite"),
        "empty": ({}, "no table of tensors"),
        "list": ([1], "no table of tensors"),
        "numbers": ({"cls_token": 3}, "no table of tensors"),
    }
    for name, (content, words) in contents.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(SemcoError, match=words):
            _build(NAME, tmp_path / f"{name}.pth")
    with pytest.raises(
        SemcoError, match="does not exist: pass --imgnet-weights FILE with the weights of timm's test_vit"
    ):
        _build(NAME, tmp_path / "gone.pth")


def test_downloads_and_their_absence(monkeypatch, source, caplog):
    create, asked = timm.create_model, []

    def reach(name, *, pretrained=False, **settings):
        if not pretrained:
            return create(name, **settings)
        asked.append(name)
        if len(asked) > 1:
            logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
            raise FileNotFoundError("no connection\nat all")
        return source

    monkeypatch.setattr(timm, "create_model", reach)
    _assert_loaded(_build(NAME), source)
    words = r"neither cached nor downloadable \(no connection\): pass --imgnet-weights FILE .*or --no-imgnet-pretrained"
    with pytest.raises(SemcoError, match=words):
        _build(NAME)
    assert asked == [NAME, NAME]
    assert "Retrying" not in caplog.text
    with pytest.raises(SemcoError, match="does not take images of 33 pixels"):
        _build(NAME, cropsize=33)
    assert asked == [NAME, NAME]
    with pytest.raises(SemcoError, match="timm has no pretrained weights of test_mambaout"):
        _build("test_mambaout")


def test_clips_resnet_keeps_its_pixels_and_has_its_pooling_resampled(tmp_path):
    clip = timm.create_model("resnet50_clip", num_classes=0)
    with torch.no_grad():
        clip.head.pos_embed.copy_(torch.tensor([9.0, *(row for row in range(7) for _ in range(7))])[:, None])
    torch.save(clip.state_dict(), tmp_path / "clip.pth")
    model = _build("resnet50_clip", tmp_path / "clip.pth", cropsize=64)
    embeddings = model.backbone.head.pos_embed[:, 0]
    assert embeddings.tolist() == pytest.approx([9.0, 1.3, 1.3, 4.7, 4.7], abs=0.3)
    assert model.normalisation.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
    assert model.normalisation.std == pytest.approx((0.2686, 0.2613, 0.2758), abs=1e-4)
