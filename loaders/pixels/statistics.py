"""Mean and standard deviation of a dataset's pixels, for normalisation."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from loaders.pixels.store import ImageStore, PixelStore
from utils.errors import SemcoError
from utils.files.atomic import write_text
from utils.progress import Progress

_PIXELS_AT_ONCE = 1 << 22
_IMAGES_AT_ONCE = 256
_LONGEST_FILE = 4096


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
    store: ImageStore,
    *,
    im_size: int,
    cache_file: Path | None,
    progress: Progress,
    left_out: Collection[int] = (),
) -> PixelStatistics:
    """Compute the statistics of all images of a store and keep them in `cache_file`, or read them if they are there.

    Of images that are not held in memory only the centre crop of `im_size` pixels counts.

    Args:
        left_out: positions of the images that cannot be decoded.

    Raises:
        SemcoError: `cache_file` is damaged or cannot be written.
    """
    if cache_file is not None and cache_file.exists():
        return _read(cache_file)
    count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for pixels in _chunks(store, im_size, progress, left_out):
        levels = pixels.to(torch.float64)
        count += len(levels)
        total += levels.sum(0).cpu()
        squares += levels.square().sum(0).cpu()
    mean = total / count
    # A channel that never changes carries no information, but dividing by zero would turn it into NaN.
    std = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=1.0)
    result = PixelStatistics(
        tuple((mean / 255).tolist()), tuple((std / 255).tolist()), "computed from the training images"
    )
    if cache_file is not None:
        write_text(cache_file, json.dumps({"mean": result.mean, "std": result.std}) + "\n")
    return result


def _read(path: Path) -> PixelStatistics:
    if not path.is_file() or path.stat().st_size > _LONGEST_FILE:
        raise SemcoError(f"{path} is no file of statistics: delete it, and it will be rebuilt")
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        mean, std = (tuple(float(value) for value in saved[name]) for name in ("mean", "std"))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise SemcoError(f"{path} is damaged: delete it, and it will be rebuilt") from error
    if (
        len(mean) != 3
        or len(std) != 3
        or not all(0 <= value <= 1 for value in mean)
        or not all(0 < value <= 1 for value in std)
    ):
        raise SemcoError(f"{path} holds no means and deviations: delete it, and it will be rebuilt")
    return PixelStatistics(mean, std, f"computed, from {path.name}")


def _chunks(store: ImageStore, im_size: int, progress: Progress, left_out: Collection[int]):
    """Yield pixels (n, 3)."""
    if isinstance(store, PixelStore):
        yield from store.pixels.split(_PIXELS_AT_ONCE)
        return
    rows = torch.tensor([row for row in range(len(store)) if row not in left_out])
    for chunk in progress.chunks(
        rows.split(_IMAGES_AT_ONCE), total=len(rows), what="measuring mean and std", unit="images"
    ):
        views: Tensor = store.centre_crops(chunk, im_size)
        yield views.permute(0, 2, 3, 1).reshape(-1, 3)
