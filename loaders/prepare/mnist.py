"""MNIST and Fashion-MNIST from their idx files, plain or gzipped."""

import argparse
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loaders.prepare.contents import Contents, SourceImage
from loaders.prepare.download import add_download_argument, open_with_torchvision
from utils.errors import SemcoError
from utils.progress import Progress

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_PREFIXES = {"train": "train", "test": "t10k"}
_PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw")


class IdxSource:
    """A dataset of ten classes in the idx format of MNIST.

    Args:
        title: the dataset's name for people; `kind`: its class in torchvision; `name`: usual name of the dataset folder;
            `class_names`: names of the labels 0 to 9.
    """

    LINKS = False

    def __init__(self, title: str, kind: str, name: str, class_names: Sequence[str]) -> None:
        self.HELP = f"{title} from its four idx files, plain or .gz"
        self.NAME = name
        self._title, self._kind, self._class_names = title, kind, class_names

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the flags of this source."""
        parser.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder with the idx files")
        add_download_argument(parser)

    def read(self, values: argparse.Namespace, progress: Progress) -> Contents:
        """Read all images.

        Raises:
            SemcoError: a file is missing, damaged or does not fit the others.
        """
        if values.download:
            open_with_torchvision(self._kind, values, title=self._title)
        return Contents({part: self._read_part(values.source, part, prefix) for part, prefix in _PREFIXES.items()})

    def _read_part(self, source: Path, part: str, prefix: str) -> Sequence[SourceImage]:
        images = read_idx(_find(source, f"{prefix}-images-idx3-ubyte"))
        labels = read_idx(_find(source, f"{prefix}-labels-idx1-ubyte"))
        if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max(initial=0) >= len(self._class_names):
            raise SemcoError(f"the {part} files in {source} do not fit together: fetch them again")
        return [
            SourceImage(f"{number:05d}.png", self._class_names[label], pixels)
            for number, (pixels, label) in enumerate(zip(images, labels, strict=True))
        ]


def read_idx(path: Path) -> np.ndarray:
    """Read an idx file of bytes: two zeros, type 8, number of dimensions, sizes as big-endian 32-bit, then the data.

    Raises:
        SemcoError: it is no such file, or is damaged.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise SemcoError(f"{path} cannot be read ({error}): fetch it again") from error
    dims = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    shape = tuple(int(size) for size in np.frombuffer(data[4 : 4 + 4 * dims], dtype=">u4")) if dims else ()
    if not dims or len(data) != 4 + 4 * dims + int(np.prod(shape, dtype=np.int64)):
        raise SemcoError(f"{path} is no whole idx file of bytes: fetch it again")
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * dims).reshape(shape)


def _find(source: Path, name: str) -> Path:
    for place in _PLACES:
        for suffix in ("", ".gz"):
            if (path := source / place / (name + suffix)).is_file():
                return path
    raise SemcoError(f"{source} lacks {name} or {name}.gz: expected the four idx files of the dataset")
