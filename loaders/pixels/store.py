"""Images by position -> uint8 crops, whether the pixels are in memory, in a mapped file or still in image files."""

import dataclasses
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from loaders.pixels.decode import decode_image
from loaders.views.plan import CropPlan

PAD = 4


class ImageStore(Protocol):
    """A pool of N decoded images from which crops are cut."""

    def __len__(self) -> int: ...

    def crops(self, plan: CropPlan, size: int) -> Tensor:
        """Cut weak views, uint8 (n, 3, size, size): reflect-pad by 4, crop, flip."""

    def centre_crops(self, rows: Tensor, size: int) -> Tensor:
        """Cut the evaluation views of `rows`, uint8 (n, 3, size, size)."""


@dataclass(frozen=True)
class PixelStore:
    """All pixels in one flat buffer, image after image, row after row.

    `pixels`: uint8 (P, 3); `offsets`: int64 (N,), each image's first pixel; `heights`, `widths`: int64 (N,). All on one
    device. A memory-mapped buffer is a CPU tensor like any other. Rows are positions in these.
    """

    pixels: Tensor
    offsets: Tensor
    heights: Tensor
    widths: Tensor

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def num_bytes(self) -> int:
        """Size of the pixels in bytes."""
        return self.pixels.numel()

    def to(self, device: torch.device) -> "PixelStore":
        """Return the store with everything on `device`."""
        return PixelStore(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def crops(self, plan: CropPlan, size: int) -> Tensor:
        """Cut weak views, uint8 (n, 3, size, size): reflect-pad by 4, crop, flip."""
        shapes = self._shapes[:, plan.image.to(self.pixels.device)]
        places = _crop_places(torch.stack((plan.y, plan.x)).to(shapes.device), shapes[:2], size)
        return self._gather(shapes, places, flip=plan.flip.to(shapes.device))

    def centre_crops(self, rows: Tensor, size: int) -> Tensor:
        """Cut the evaluation views of `rows`, uint8 (n, 3, size, size)."""
        shapes = self._shapes[:, rows.to(self.pixels.device)]
        # torchvision's CenterCrop rounds half to even, and so does torch.
        start = ((shapes[:2] - size) / 2.0).round().long()
        places = start[..., None] + torch.arange(size, device=shapes.device)
        return self._gather(shapes, torch.minimum(places.clamp_(min=0), (shapes[:2] - 1)[..., None]))

    @functools.cached_property
    def _shapes(self) -> Tensor:
        """Heights, widths and offsets (3, N), to be looked up together: to a GPU a small task is as long as a large one."""
        return torch.stack((self.heights, self.widths, self.offsets))

    def _gather(self, shapes: Tensor, places: Tensor, *, flip: Tensor | None = None) -> Tensor:
        """Pick pixels of each image: one gather for a ragged batch.

        Args:
            shapes: the images' heights, widths and offsets (3, n); `places`: lines and columns (2, n, s) inside each.
            flip: which images are mirrored, bool (n,).
        """
        y, x = places
        if flip is not None:
            x = torch.where(flip[:, None], x.flip(1), x)
        _, widths, offsets = shapes[..., None]
        pixels_at = (offsets + y * widths)[:, :, None] + x[:, None, :]
        pixels = self.pixels.index_select(0, pixels_at.flatten())
        return pixels.view(*pixels_at.shape, 3).permute(0, 3, 1, 2).contiguous()


class FileStore:
    """Images decoded each time they are asked for, by threads: Pillow decodes outside Python's global lock.

    Args:
        paths: the image files, by position.
        im_size: pixels of the short side after decoding.
        workers: number of decoding threads.
    """

    def __init__(self, paths: Sequence[Path], *, im_size: int, workers: int) -> None:
        self._paths = paths
        self._im_size = im_size
        self._pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self._paths)

    def crops(self, plan: CropPlan, size: int) -> Tensor:
        """Cut weak views, uint8 (n, 3, size, size): reflect-pad by 4, crop, flip."""
        first = torch.zeros(1, dtype=torch.int64)

        def cut(row: int) -> Tensor:
            one = plan[row : row + 1]
            return self._decode(one.image).crops(dataclasses.replace(one, image=first), size)

        return torch.cat(list(self._pool.map(cut, range(len(plan)))))

    def centre_crops(self, rows: Tensor, size: int) -> Tensor:
        """Cut the evaluation views of `rows`, uint8 (n, 3, size, size)."""
        first = torch.zeros(1, dtype=torch.int64)
        return torch.cat(list(self._pool.map(lambda row: self._decode(row).centre_crops(first, size), rows)))

    def _decode(self, image: Tensor) -> PixelStore:
        return pack([decode_image(self._paths[int(image)], self._im_size)])


def pack(images: Sequence[np.ndarray]) -> PixelStore:
    """Lay decoded images (h, w, 3) end to end."""
    shapes = np.array([image.shape[:2] for image in images], dtype=np.int64).reshape(-1, 2)
    pixels = [image.reshape(-1, 3) for image in images]
    return store_from_shapes(torch.from_numpy(np.concatenate(pixels)), shapes)


def store_from_shapes(pixels: Tensor, shapes: np.ndarray) -> PixelStore:
    """Make a store of pixels (P, 3), stored image after image, given their (height, width) pairs (N, 2)."""
    sizes = shapes.astype(np.int64).prod(axis=1)
    offsets = np.concatenate([[0], sizes.cumsum()[:-1]]) if len(sizes) else sizes
    return PixelStore(
        pixels=pixels,
        offsets=torch.from_numpy(offsets),
        heights=torch.from_numpy(shapes[:, 0].astype(np.int64)),
        widths=torch.from_numpy(shapes[:, 1].astype(np.int64)),
    )


@functools.lru_cache(maxsize=8)
def _along(size: int, device: torch.device) -> Tensor:
    """Return the places of a crop's pixels from its first one on, which may be in the padding."""
    return torch.arange(-PAD, size - PAD, device=device)


def _crop_places(fraction: Tensor, sides: Tensor, size: int) -> Tensor:
    """Map the fractions (2, n) to the pixels (2, n, size) of the crops along both sides, reflected at the borders.

    Where a crop is larger than the padded image, it repeats the border: no crop shows pixels of a neighbour.
    """
    start = (fraction * (sides + (2 * PAD - size + 1))).long()
    at = (start[..., None] + _along(size, fraction.device)).abs_()
    last = (sides - 1)[..., None]
    return (last - (last - at).abs_()).clamp_(min=0)
