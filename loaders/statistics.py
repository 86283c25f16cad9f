"""Mean and standard deviation of a dataset's pixels, for normalisation."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from loaders.image_store import ImageStore, PixelStore
from utils.atomic import write_text
from utils.errors import SemcoError
from utils.progress import Progress

_PIXELS_AT_ONCE = 1 << 22
_IMAGES_AT_ONCE = 256


@dataclass(frozen=True)
class PixelStatistics:
    """Per channel mean and standard deviation of pixels in [0, 1], and where they come from."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str


IMAGENET = PixelStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "imagenet")
KNOWN = {
    "imagenet": IMAGENET,
    "mini_imagenet": IMAGENET,
    "cifar100": PixelStatistics((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761), "cifar100"),
    "cifar10": PixelStatistics((0.4913, 0.4821, 0.4465), (0.247, 0.2434, 0.2615), "cifar10"),
    "domain_net-real": PixelStatistics((0.6059, 0.5890, 0.5558), (0.3195, 0.3128, 0.3352), "domain_net-real"),
    "mnist": PixelStatistics((0.1307,) * 3, (0.3081,) * 3, "mnist"),
    "fashion_mnist": PixelStatistics((0.286,) * 3, (0.353,) * 3, "fashion_mnist"),
}


def pixel_statistics(
    store: ImageStore, *, im_size: int, cache_file: Path | None, progress: Progress
) -> PixelStatistics:
    """Compute the statistics of all images of a store, or read them from `cache_file` if it is there; then keep them.

    Images that are not held in memory are seen through their centre crop of `im_size` pixels.

    Raises:
        SemcoError: `cache_file` is damaged or cannot be written.
    """
    if cache_file is not None and cache_file.exists():
        return _read(cache_file)
    count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for pixels in _chunks(store, im_size, progress):
        levels = pixels.to(torch.float64)
        count += len(levels)
        total += levels.sum(0).cpu()
        squares += levels.square().sum(0).cpu()
    mean = total / count
    # A channel that never changes carries nothing, but dividing by zero would turn it into NaN.
    std = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=1.0)
    result = PixelStatistics(
        tuple((mean / 255).tolist()), tuple((std / 255).tolist()), "computed from the training images"
    )
    if cache_file is not None:
        write_text(cache_file, json.dumps({"mean": result.mean, "std": result.std}) + "\n")
    return result


def _read(cache_file: Path) -> PixelStatistics:
    try:
        saved = json.loads(cache_file.read_text(encoding="utf-8"))
        return PixelStatistics(tuple(saved["mean"]), tuple(saved["std"]), f"computed, from {cache_file.name}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SemcoError(f"{cache_file} cannot be read ({error}): delete it, and it will be made anew") from error


def _chunks(store: ImageStore, im_size: int, progress: Progress):
    """Yield pixels (n, 3)."""
    if isinstance(store, PixelStore):
        yield from store.pixels.split(_PIXELS_AT_ONCE)
        return
    rows = torch.arange(len(store)).split(_IMAGES_AT_ONCE)
    for chunk in progress.chunks(rows, total=len(store), what="measuring mean and std", unit="images"):
        views: Tensor = store.centre_crops(chunk, im_size)
        yield views.permute(0, 2, 3, 1).reshape(-1, 3)
