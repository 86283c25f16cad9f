"""CUB-200-2011 birds, with their class attributes."""

import argparse
from pathlib import Path

from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.lists import inside, read_lines, read_pairs
from loaders.prepare.sources.source import no_arguments
from utils.errors import SemcoError

HELP = "CUB-200-2011: 5,994 training and 5,794 test photographs of birds, and their class attributes"
NAME = "cub200"
_FOLDER = "CUB_200_2011"
SOURCE = f"folder {_FOLDER}, or the one that holds it"
LINKS = True
DOWNLOADS = False
ATTRIBUTES_FILE = "class_attributes.csv"
_NUM_ATTRIBUTES = 312

add_arguments = no_arguments


def read(values: argparse.Namespace) -> Contents:
    """List the photographs that images.txt names; the attributes become a CSV for `--word-vec-path`.

    Raises:
        SemcoError: a list is missing or does not fit the others.
    """
    inner = values.source / _FOLDER
    folder = inner if inner.is_dir() else values.source
    files = read_pairs(folder / "images.txt")
    names = {number: _plain(name) for number, name in read_pairs(folder / "classes.txt").items()}
    labels = _read_column(folder / "image_class_labels.txt", files, set(names))
    in_train = _read_column(folder / "train_test_split.txt", files, {"0", "1"})
    parts: dict[str, list[SourceImage]] = {"train": [], "test": []}
    for number, file in files.items():
        path = inside(folder / "images", file, named_by=folder / "images.txt")
        image = SourceImage(path.name, names[labels[number]], path)
        parts["train" if in_train[number] == "1" else "test"].append(image)
    return Contents(parts, {ATTRIBUTES_FILE: _attributes(folder, list(names.values()))})


def _plain(name: str) -> str:
    """Return a class name without its number: `001.Black_footed_Albatross` -> `Black_footed_Albatross`."""
    return name.partition(".")[2] or name


def _read_column(path: Path, files: dict[str, str], allowed: set[str]) -> dict[str, str]:
    """Image number -> value, for exactly the images of images.txt."""
    column = read_pairs(path)
    if column.keys() != files.keys():
        raise SemcoError(
            f"{path} names {len(column):,} images, images.txt {len(files):,}, not the same: fetch them again"
        )
    if unknown := sorted(set(column.values()) - allowed):
        raise SemcoError(f"{path} holds {unknown[0]!r}, which makes no sense there: fetch it again")
    return column


def _attributes(folder: Path, names: list[str]) -> str:
    """Write one line per class: its name, then the percentage of its birds that show each attribute."""
    path = folder / "attributes" / "class_attribute_labels_continuous.txt"
    rows = [line.split() for line in read_lines(path)]
    if len(rows) != len(names) or any(len(row) != _NUM_ATTRIBUTES for row in rows):
        raise SemcoError(f"{path}: expected {_NUM_ATTRIBUTES} numbers for each of {len(names)} classes; fetch it again")
    return "".join(",".join([name, *row]) + "\n" for name, row in zip(names, rows, strict=True))
