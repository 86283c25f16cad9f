"""What a source holds, and the checks that every source must pass before anything is written."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.errors import SemcoError, and_more
from utils.files.names import find_fault, path_fault
from utils.progress import Progress

# The usual limit of file systems, in bytes.
_LONGEST_NAME = 255


class PackedImage(Protocol):
    """An encoded image inside a larger file of the source, read when it is written."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def read(self) -> bytes:
        """Read the image.

        Raises:
            SemcoError: the larger file cannot be read any more, or has changed.
        """


@dataclass(frozen=True)
class SourceImage:
    """One image of a source: its file name in the dataset, its class or None, and its file, its pixels or its bytes.

    Pixels are uint8 (h, w) or (h, w, 3).
    """

    name: str
    class_name: str | None
    content: Path | np.ndarray | PackedImage


@dataclass(frozen=True)
class Contents:
    """All that a dataset folder is made of.

    `parts`: images of `train` and, where there are any, of `test` and `unlabelled`; `texts`: further files, name -> text.
    """

    parts: dict[str, Sequence[SourceImage]]
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def class_names(self) -> set[str]:
        """Classes of the training images."""
        return {image.class_name for image in self.parts["train"] if image.class_name is not None}


def check_contents(contents: Contents, *, progress: Progress) -> None:
    """Make sure that the dataset folder would be one that can be trained on.

    Raises:
        SemcoError: fewer than two classes, a class of the test part that train lacks, impossible names, missing files.
    """
    known = contents.class_names
    if len(known) < 2:
        raise SemcoError(f"the source has {len(known)} classes with training images: classification needs at least two")
    for image in contents.parts.get("test", ()):
        if image.class_name is not None and image.class_name not in known:
            raise SemcoError(
                f"the test image {image.name!r} is of {image.class_name!r}, a class that train lacks: "
                "add training images or remove it"
            )
    for part, images in contents.parts.items():
        _check_names(part, images)
    _check_files(contents, progress)


def _check_names(part: str, images: Sequence[SourceImage]) -> None:
    seen = set()
    for image in images:
        if image.name in seen:
            raise SemcoError(f"two images of {part} would both be called {image.name!r}: rename one of them")
        seen.add(image.name)
        fault = path_fault(image.name)
        if fault is None and len(image.name.encode("utf-8")) > _LONGEST_NAME:
            fault = f"is longer than {_LONGEST_NAME} bytes"
        if fault:
            raise SemcoError(f"the image name {image.name[:100]!r} {fault}: rename the file")
        if image.class_name is not None and (fault := find_fault(image.class_name)):
            raise SemcoError(f"the class name {image.class_name[:100]!r} {fault}: rename the class")


def _check_files(contents: Contents, progress: Progress) -> None:
    images = [image for images in contents.parts.values() for image in images]
    missing = []
    with progress.bar(total=len(images), what="looking for the images", unit="images") as bar:
        for image in images:
            if isinstance(image.content, Path) and not image.content.is_file():
                missing.append(image.content)
            bar.update(1)
    if missing:
        raise SemcoError(
            f"image {missing[0]} does not exist{and_more(missing)}: the source is incomplete, fetch it again"
        )


def warn(text: str) -> None:
    """Warn the user of something about the source that is no reason to stop."""
    print(f"warning: {text}", file=sys.stderr)
