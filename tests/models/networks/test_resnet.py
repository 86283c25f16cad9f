"""ImageNet weights: from a file, or a clear word about how to do without."""

import urllib.error

import pytest
import torch
import torchvision

from models.networks import resnet
from models.networks.two_head import build_model
from utils.errors import SemcoError


def _build(weights=None):
    return build_model(backbone="resnet18", num_classes=3, embedding_dim=4, pretrained=True, imagenet_weights=weights)


def test_weights_from_a_file(tmp_path):
    torch.manual_seed(5)
    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    model = _build(tmp_path / "resnet18.pth")
    assert torch.equal(model.backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


@pytest.mark.parametrize("error", [urllib.error.URLError("unreachable"), RuntimeError("invalid hash value")])
def test_no_network(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(resnet.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(SemcoError, match=r"--imgnet-weights FILE .*--no-imgnet-pretrained"):
        _build()


def test_wrong_files(tmp_path):
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name, words in (
        ("other", "not torchvision's"),
        ("list", "not torchvision's"),
        ("text", "damaged"),
        ("gone", "exist"),
    ):
        with pytest.raises(SemcoError, match=words):
            _build(tmp_path / f"{name}.pth")
