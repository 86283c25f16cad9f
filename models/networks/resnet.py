"""torchvision's ResNet-18 and ResNet-50 as feature extractors, from scratch or from ImageNet weights."""

import os
import urllib.error
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, ResNet50_Weights, WeightsEnum, resnet18, resnet50

from models.networks.backbone import Backbone, PixelNormalisation
from utils.errors import SemcoError
from utils.files.tensors import check_tensors, read_tensors

_NETWORKS = {
    "resnet18": (resnet18, ResNet18_Weights.IMAGENET1K_V1),
    "resnet50": (resnet50, ResNet50_Weights.IMAGENET1K_V1),
}
_IMAGENET = PixelNormalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "imagenet")
_REMEDY = "pass --imgnet-weights FILE with torchvision's weights, or --no-imgnet-pretrained to start from random ones"


def build_resnet(name: str, *, pretrained: bool, weights_file: Path | None = None) -> Backbone:
    """Build `resnet18` or `resnet50` without its last layer.

    Args:
        pretrained: start from ImageNet weights: those in `weights_file`, or else torchvision's, from its cache or the network.

    Raises:
        SemcoError: the weights are unavailable, unreadable, or do not fit.
    """
    build, weights = _NETWORKS[name]
    network = build(weights=None)
    if pretrained:
        _load(network, name, weights, weights_file)
    num_features = network.fc.in_features
    network.fc = nn.Identity()
    return Backbone(network, "model_resnet", num_features, _IMAGENET if pretrained else None)


def _load(network: nn.Module, name: str, weights: WeightsEnum, given: Path | None) -> None:
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    if given is not None:
        source, state = str(given), _read(given, name, what="--imgnet-weights", remedy=_REMEDY)
    elif os.path.lexists(cached):
        # torch believes what its cache holds, and a download that was cut short stays there.
        source, remedy = str(cached), f"delete that file, and it is downloaded again, or {_REMEDY}"
        state = _read(cached, name, what="cached ImageNet weights", remedy=remedy)
    else:
        source, state = weights.url, _download(name, weights)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise SemcoError(f"the weights in {source} are not torchvision's for {name}: {_REMEDY}") from error


def _download(name: str, weights: WeightsEnum) -> Mapping[str, Tensor]:
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        # RuntimeError is how torch.hub reports a file with the wrong digest.
        raise SemcoError(
            f"ImageNet weights of {name} are neither cached nor downloadable ({error}): {_REMEDY}"
        ) from error


def _read(path: Path, name: str, *, what: str, remedy: str) -> Mapping[str, Tensor]:
    state = read_tensors(path, what=what, remedy=remedy)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise SemcoError(f"the weights in {path} are not torchvision's for {name}: {remedy}")
    check_tensors(state, path, what=what)
    return state
