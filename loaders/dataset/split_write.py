"""The files of a draw: written together, and never over other files by accident."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loaders.dataset.split import Split, encode_split, read_split, write_content
from utils.errors import SemcoError
from utils.files.tables import read_class_names


@dataclass(frozen=True)
class SplitFile:
    """A split or a list of class names that is to be written; `what`: what it holds, for people."""

    path: Path
    content: dict[str, str] | list[str]
    what: str


def split_file(path: Path, part: str, classes: Mapping[str, str]) -> SplitFile:
    """Prepare the file of a split: images of `part`, file name -> class."""
    split = Split(part=part, classes=dict(classes), path=path)
    return SplitFile(path, encode_split(part, classes), describe_split(split))


def describe_split(split: Split) -> str:
    """Describe a split in one line: images, images per class, fingerprint."""
    counts = sorted(Counter(split.classes.values()).values())
    return (
        f"{len(split)} images of {split.part}/, {counts[0]} to {counts[-1]} in each of {len(counts)} classes, "
        f"fingerprint {split.fingerprint()[:16]}"
    )


def write_files(files: Sequence[SplitFile], *, force: bool) -> None:
    """Write the files; those that exist and are equal stay as they are.

    Raises:
        SemcoError: one is a folder, or exists and differs while `force` is not set. Then none is written.
    """
    for file in files:
        # Not Path.is_dir and Path.exists, which raise where a folder on the way may not be read.
        if os.path.isdir(file.path):  # noqa: PTH112
            raise SemcoError(
                f"{file.path} is a folder where a file would go: remove it, or choose another --output-path"
            )
        if not force and os.path.exists(file.path) and _differs(file):  # noqa: PTH110
            raise SemcoError(
                f"{file.path} exists and differs: pass --force to overwrite it, or choose another --output-path"
            )
    for file in files:
        write_content(file.path, file.content)


def _differs(file: SplitFile) -> bool:
    if isinstance(file.content, list):
        return read_class_names(file.path) != file.content
    split = read_split(file.path)
    return encode_split(split.part, split.classes) != file.content
