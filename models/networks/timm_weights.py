"""Pretrained weights of timm models: from a file, in any layout that timm itself knows how to convert, or from timm."""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from utils.errors import SemcoError, first_ten
from utils.files.tensors import check_tensors, read_tensors

LOGGER = logging.getLogger("semco")
# Where files of weights keep them, the averaged ones first, and what DistributedDataParallel puts in front of names.
_PLACES = ("state_dict_ema", "model_ema", "state_dict", "model")
_WRAPPER = "module."


def load_timm_weights(network: nn.Module, name: str, *, size: Mapping[str, int], file: Path | None) -> None:
    """Load pretrained weights into a network without classifier; the classifier is all that may be left over.

    Args:
        name: timm's name of the network.
        size: the setting with which it was created, for images of another size than its own.
        file: .pth, .pt or .safetensors; None: what timm has in its cache or downloads.

    Raises:
        SemcoError: the weights are unavailable, unreadable, or do not fit.
    """
    own = network.state_dict()
    # timm resamples a transformer's position embeddings (1, N, F), but not those (N, F) of CLIP's attention pooling.
    pooling = [key for key, value in own.items() if key.endswith("pos_embed") and value.ndim == 2]
    if pooling:
        size = {}
    source = _download(name, size) if file is None else _from_file(network, name, size, file)
    weights = {key: value for key, value in source.state_dict().items() if key in own}
    network.load_state_dict(weights | {key: _resample(weights[key], len(own[key])) for key in pooling})


def _resample(embeddings: Tensor, rows: int) -> Tensor:
    """Resample position embeddings (1 + n * n, F), one of them for the whole image, to (rows, F)."""
    from timm.layers import resample_abs_pos_embed

    side = math.isqrt(rows - 1)
    return resample_abs_pos_embed(embeddings[None], [side, side], num_prefix_tokens=1)[0]


def _download(name: str, size: Mapping[str, int]) -> nn.Module:
    import timm

    ways_out = _ways_out(name)
    known = timm.get_pretrained_cfg(name)
    if known is None or not known.has_weights:
        raise SemcoError(f"timm has no pretrained weights of {name}: {ways_out}")
    LOGGER.info("timm loads the weights of %s from its cache, or downloads them", name)
    try:
        with _without_retries_reported():
            return timm.create_model(name, pretrained=True, num_classes=0, **size)
    except OSError as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise SemcoError(
            f"the weights of timm's {name} are neither cached nor downloadable ({reason}): {ways_out}"
        ) from error


@contextlib.contextmanager
def _without_retries_reported() -> Iterator[None]:
    """Keep the download library from printing a dozen attempts; the error at the end says what matters."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _from_file(network: nn.Module, name: str, size: Mapping[str, int], file: Path) -> nn.Module:
    """Let timm convert a file's weights and load them strictly into a network that has the file's classifier too."""
    import timm

    weights = _read(file, name)
    complaints: list[Exception] = []
    for classes in _possible_classes(network, weights):
        # The number of classes is also the configuration's, so that timm does not skip what differs.
        settings = {"state_dict": weights, "num_classes": classes, "label_offset": 0, "custom_load": False}
        try:
            return timm.create_model(
                name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=settings, **size
            )
        # Weights of another network make timm's conversions fail in nearly any way; none of them is a bug of this program.
        except Exception as error:
            complaints.append(error)
    misfit = _misfit(network, weights, complaints[0])
    raise SemcoError(
        f"the weights in {file} are not those of timm's {name} ({misfit}): {_ways_out(name)}"
    ) from complaints[0]


def _read(file: Path, name: str) -> dict[str, Tensor]:
    content = read_tensors(file, what="--imgnet-weights", remedy=_ways_out(name))
    for place in _PLACES:
        if isinstance(content, dict) and isinstance(content.get(place), dict):
            content = content[place]
            break
    tensors = dict(dict.items(content)) if isinstance(content, dict) else {}
    if not tensors or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()):
        raise SemcoError(f"the weights in {file} are no table of tensors by name: {_ways_out(name)}")
    check_tensors(tensors, file, what="--imgnet-weights")
    return {key.removeprefix(_WRAPPER): value for key, value in tensors.items()}


def _possible_classes(network: nn.Module, weights: Mapping[str, Tensor]) -> list[int]:
    """Return how many classes the file's classifier tells apart: as it says itself, or, where names differ, as published."""
    rows = [len(weights[key]) for layer in _classifiers(network) if weights.get(key := f"{layer}.weight") is not None]
    return list(dict.fromkeys([*rows[:1], 0, network.pretrained_cfg["num_classes"]]))


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    layers = network.pretrained_cfg.get("classifier") or ()
    return (layers,) if isinstance(layers, str) else tuple(layers)


def _misfit(network: nn.Module, weights: Mapping[str, Tensor], error: Exception) -> str:
    """Say by which names and shapes a file differs from the network."""
    own = network.state_dict()
    heads = tuple(f"{layer}." for layer in _classifiers(network))
    faults = {
        "lacks": [key for key in own if key not in weights],
        "has the unknown": [key for key in weights if key not in own and not key.startswith(heads)],
        "has other shapes of": [key for key in own if key in weights and weights[key].shape != own[key].shape],
    }
    found = [f"it {what} {first_ten(keys)}" for what, keys in faults.items() if keys]
    # No message lists more than ten things: the first kind of fault is enough to tell which file this is.
    return found[0] if found else (str(error) or type(error).__name__).splitlines()[0][:200]


def _ways_out(name: str) -> str:
    return f"pass --imgnet-weights FILE with the weights of timm's {name}, or --no-imgnet-pretrained to start from random ones"
