"""One pass over a pool's images: their pixels on the way to memory or disk, and what is known of them afterwards."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from loaders.pixels.decode_pool import Decoded


class DecodePass:
    """Hands on the pixels of decoded chunks, once, and collects sizes, failures and a digest meanwhile.

    After the iteration: `bad` maps the position of an image that cannot be decoded to the reason; `broken_exif` counts the images
    that are not rotated because their EXIF block is broken.
    """

    def __init__(self, chunks: Iterable[Decoded]) -> None:
        self.bad: dict[int, str] = {}
        self.broken_exif = 0
        self._chunks = chunks
        self._shapes: list[np.ndarray] = []
        self._pixels = hashlib.sha256()

    def __iter__(self) -> Iterator[bytearray]:
        for chunk in self._chunks:
            self._shapes.append(chunk.shapes)
            self.bad.update(chunk.bad)
            self.broken_exif += chunk.broken_exif
            self._pixels.update(chunk.pixels)
            yield chunk.pixels

    @property
    def shapes(self) -> np.ndarray:
        """(height, width) pairs, int32 (N, 2); (0, 0) for an image that cannot be decoded."""
        return np.concatenate(self._shapes) if self._shapes else np.empty((0, 2), dtype=np.int32)

    @property
    def digest(self) -> str:
        """Digest of all pixels and sizes in order.

        It is the same however the pixels are kept and in whatever chunks they came. Replaced images change it, and so do
        two images that swapped names, because images are ordered by name.
        """
        return hashlib.sha256(self._pixels.digest() + self.shapes.astype("<i4").tobytes()).hexdigest()


def areas(shapes: np.ndarray) -> np.ndarray:
    """Return the number of pixels, int64 (N,), of images with (height, width) pairs `shapes` (N, 2)."""
    return shapes.astype(np.int64).prod(axis=1)
