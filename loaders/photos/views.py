"""Photographs -> batches of evaluation views: the very pixels that a run's evaluation sees, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loaders.pixels.decode_pool import Decoded, decode_all
from loaders.pixels.store import store_from_shapes

# Photographs are larger than a dataset's images, so starting processes pays for fewer of them.
_WORTH_PROCESSES = 256


@dataclass(frozen=True)
class PhotoBatch:
    """Consecutive photographs, from position `start` on.

    `views`: centre crops of those that can be decoded, uint8 (n, 3, cropsize, cropsize); `is_good`: bool (N,), which of the
    N photographs these are; `bad`: position -> reason, for the others.
    """

    start: int
    views: Tensor
    is_good: np.ndarray
    bad: dict[int, str]

    def __len__(self) -> int:
        return len(self.is_good)


def photo_batches(
    paths: Sequence[Path], *, im_size: int, cropsize: int, batch_size: int, workers: int
) -> Iterator[PhotoBatch]:
    """Yield all photographs in order, `batch_size` at a time, decoded by up to `workers` processes.

    Args:
        im_size: short side of the resized image, pixels; `cropsize`: side of its centre crop.
    """
    start, waiting = 0, _empty(cropsize)
    for decoded in decode_all(paths, im_size, workers=workers, worth_processes=_WORTH_PROCESSES):
        waiting = _join(waiting, _cut(decoded, cropsize))
        while len(waiting) >= batch_size:
            batch, waiting = _part(waiting, batch_size)
            yield batch
        start = waiting.start + len(waiting)
    if start > waiting.start:
        yield waiting


def _empty(cropsize: int) -> PhotoBatch:
    return PhotoBatch(0, torch.empty(0, 3, cropsize, cropsize, dtype=torch.uint8), np.zeros(0, dtype=bool), {})


def _cut(decoded: Decoded, cropsize: int) -> PhotoBatch:
    is_good = decoded.shapes[:, 0] > 0
    rows = torch.from_numpy(np.flatnonzero(is_good))
    if not len(rows):
        return PhotoBatch(0, _empty(cropsize).views, is_good, decoded.bad)
    pixels = torch.frombuffer(decoded.pixels, dtype=torch.uint8).view(-1, 3)
    views = store_from_shapes(pixels, decoded.shapes).centre_crops(rows, cropsize)
    return PhotoBatch(0, views, is_good, decoded.bad)


def _join(one: PhotoBatch, two: PhotoBatch) -> PhotoBatch:
    return PhotoBatch(
        one.start,
        torch.cat([one.views, two.views]) if len(one) else two.views,
        np.concatenate([one.is_good, two.is_good]),
        {**one.bad, **two.bad},
    )


def _part(batch: PhotoBatch, size: int) -> tuple[PhotoBatch, PhotoBatch]:
    """Split a batch after `size` photographs."""
    cut = int(batch.is_good[:size].sum())
    edge = batch.start + size
    first, second = (
        {place: why for place, why in batch.bad.items() if (place < edge) is before} for before in (True, False)
    )
    return (
        PhotoBatch(batch.start, batch.views[:cut], batch.is_good[:size], first),
        PhotoBatch(edge, batch.views[cut:], batch.is_good[size:], second),
    )
