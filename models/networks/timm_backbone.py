"""Any image model of timm as a feature extractor, from scratch or from pretrained weights. timm is imported only when used."""

import copy
import difflib
import importlib.util
from pathlib import Path

import torch
from torch import nn

from models.networks.backbone import Backbone, PixelNormalisation
from models.networks.timm_weights import load_timm_weights
from utils.errors import SemcoError

PREFIX = "timm:"
_CHANNELS = 3
_SHOWN = 5


def build_timm(backbone: str, *, cropsize: int | None, pretrained: bool, weights_file: Path | None = None) -> Backbone:
    """Build a timm model without its classifier.

    Args:
        backbone: `timm:NAME`, NAME with or without the tag of its pretrained weights.
        cropsize: side of the images in pixels, to which position embeddings are resampled; None: the model's own size.
        pretrained: start from `weights_file`, or else from the weights that timm has in its cache or downloads.

    Raises:
        SemcoError: timm is missing, it has no such model, the model gives no pooled features or does not take images of
            this size, or its weights are unavailable or do not fit.
    """
    if importlib.util.find_spec("timm") is None:
        raise SemcoError(f"--model_backbone {backbone[:100]} needs timm: pip install -r requirements-timm.txt")
    import timm

    name = backbone.removeprefix(PREFIX)
    _check_name(name)
    network = timm.create_model(name, num_classes=0)
    own_size = network.pretrained_cfg["input_size"][-1]
    size: dict[str, int] = {}
    if cropsize not in (None, own_size):
        network, size = _create_for_size(network, name, cropsize)
    # Images that do not fit are refused before gigabytes of weights are downloaded.
    num_features = _count_features(network, name, cropsize or own_size)
    normalisation = _normalisation(network, name) if pretrained else None
    if pretrained:
        load_timm_weights(network, name, size=size, file=weights_file)
    return Backbone(network, "model_timm", num_features, normalisation)


def describe_input(network: nn.Module, cropsize: int) -> str | None:
    """Say how images of `cropsize` pixels differ from those that the model was made for; None where they do not."""
    import timm.data

    config = timm.data.resolve_model_data_config(network)
    own, patch, texts = config["input_size"][-1], _patch_size(network), []
    if own != cropsize:
        texts.append(f"the model was made for --cropsize {own}, resized by {config['interpolation']} interpolation")
    if unseen := cropsize % patch:
        texts.append(f"its patches of {patch} pixels leave {unseen} rows and columns of each image unseen")
    return "; ".join(texts) or None


def can_normalise(network: nn.Module, cropsize: int) -> bool:
    """Return False when one image of `cropsize` pixels leaves BatchNorm a single pixel while training."""
    try:
        copy.deepcopy(network).train()(torch.zeros(1, _CHANNELS, cropsize, cropsize))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        return False
    return True


def share_statistics(network: nn.Module) -> nn.Module:
    """Let all processes normalise a batch together. torch's own conversion would drop the activations in timm's layers."""
    import timm.layers

    return timm.layers.convert_sync_batchnorm(network)


def _check_name(name: str) -> None:
    """Make sure that timm itself has this model: behind its prefixes, such as `hf-hub:`, is what strangers uploaded."""
    import timm

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=_SHOWN, cutoff=0.4)
        remedy = f"the nearest names are {', '.join(near)}" if near else "timm.list_models() lists the names"
        raise SemcoError(f"timm has no model called {name[:100]!r}: {remedy}")
    tagged = timm.list_models(f"{architecture}.*", pretrained=True)
    if tag and name not in tagged:
        has = ", ".join(tagged[:_SHOWN]) or "none"
        raise SemcoError(f"timm has no weights called {name[:100]!r}; those of {architecture} are: {has}")


def _create_for_size(network: nn.Module, name: str, cropsize: int) -> tuple[nn.Module, dict[str, int]]:
    """Return the model for images of `cropsize` pixels, and the setting that makes it one; convolutions take any size."""
    import timm

    size = {"img_size": cropsize}
    try:
        return timm.create_model(name, num_classes=0, **size), size
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return network, {}
    # timm's models check sizes each in their own way.
    except (AssertionError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise _wrong_size(network, name, cropsize, error) from error


def _count_features(network: nn.Module, name: str, side: int) -> int:
    """Return how many features the network gives for an image, by asking it: timm's own number is not always that."""
    was_training = network.training
    try:
        with torch.no_grad():
            features = network.eval()(torch.zeros(1, _CHANNELS, side, side))
    except (AssertionError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise _wrong_size(network, name, side, error) from error
    finally:
        network.train(was_training)
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        shape = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
        raise SemcoError(
            f"timm's {name} gives no pooled features (N, F) but {shape}: choose a model that classifies images"
        )
    return features.shape[1]


def _wrong_size(network: nn.Module, name: str, side: int, error: Exception) -> SemcoError:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    own, patch = network.pretrained_cfg["input_size"][-1], _patch_size(network)
    multiple = f", or another multiple of {patch}" if patch > 1 else ""
    return SemcoError(
        f"timm's {name} does not take images of {side} pixels ({reason}): pass --cropsize {own}{multiple}, and an --im-size "
        "that is at least as large"
    )


def _patch_size(network: nn.Module) -> int:
    """Return the side of a transformer's patches in pixels, 1 for other models."""
    size = getattr(getattr(network, "patch_embed", None), "patch_size", 1)
    return size[0] if isinstance(size, tuple) else size


def _normalisation(network: nn.Module, name: str) -> PixelNormalisation:
    import timm.data

    config = timm.data.resolve_model_data_config(network)
    mean, std = (tuple(map(float, config[which])) for which in ("mean", "std"))
    if len(mean) != _CHANNELS or len(std) != _CHANNELS:
        raise SemcoError(f"timm's {name} takes images of {len(mean)} channels: choose a model for RGB images")
    return PixelNormalisation(mean, std, f"those of timm's {name}")
