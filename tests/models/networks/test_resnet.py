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
def test_no_network(monkeypatch, tmp_path, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(resnet.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(SemcoError, match=r"--imgnet-weights FILE .*--no-imgnet-pretrained"):
        _build()


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Where torch's cache keeps the weights of ResNet-18."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / "resnet18-f37072fd.pth"


def test_weights_from_the_cache(cached):
    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), cached)
    assert torch.equal(_build().backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_download_that_was_cut_short(cached, share):
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), cached)
    content = cached.read_bytes()
    cached.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SemcoError, match=r"resnet18-f37072fd.pth .*delete that file, and it is downloaded again"):
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
