"""MNIST and Fashion-MNIST from their idx files, plain or gzipped."""

import argparse
import gzip
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loaders.prepare.published.download import open_with_torchvision
from loaders.prepare.sources.contents import Contents, SourceImage
from utils.errors import SemcoError
from utils.files.lines import is_gzip

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_PREFIXES = {"train": "train", "test": "t10k"}
_LARGEST = 2**31
_PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw")


class IdxSource:
    """A dataset of ten classes in the idx format of MNIST.

    Args:
        title: the dataset's name for people; `kind`: its class in torchvision; `name`: usual name of the dataset folder;
            `class_names`: names of the labels 0 to 9.
    """

    SOURCE = "folder with the idx files"
    LINKS = False
    DOWNLOADS = True

    def __init__(self, title: str, kind: str, name: str, class_names: Sequence[str]) -> None:
        self.HELP = f"{title} from its four idx files, plain or .gz"
        self.NAME = name
        self._title, self._kind, self._class_names = title, kind, class_names

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare nothing: there are no flags of its own."""

    def read(self, values: argparse.Namespace) -> Contents:
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
        with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
            head = file.read(4)
            dims = head[3] if head[:3] == b"\0\0\x08" and len(head) == 4 else 0
            # Four dimensions or more are not of this family, and what is announced bounds what is read.
            shape = tuple(np.frombuffer(file.read(4 * dims), dtype=">u4").tolist()) if dims < 4 else ()
            size = math.prod(shape)
            data = file.read(size + 1) if shape and 0 < size <= _LARGEST else b""
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SemcoError(f"{path} cannot be read ({error}): fetch it again") from error
    if not data or len(data) != size:
        raise SemcoError(f"{path} is no intact idx file of bytes: fetch it again")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _find(source: Path, name: str) -> Path:
    for place in _PLACES:
        for suffix in ("", ".gz"):
            # Not Path.is_file, which raises where a folder on the way may not be read.
            if os.path.isfile(path := source / place / (name + suffix)):  # noqa: PTH113
                return path
    raise SemcoError(f"{source} lacks {name} or {name}.gz: expected the four idx files of the dataset")
