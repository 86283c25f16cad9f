"""Class folders -> dataset folder: `train/<class>/*` and `test/<class>/*`, or just `<class>/*`."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from loaders.prepare.contents import Contents, SourceImage, warn
from loaders.prepare.division import add_division_arguments, divide, share
from utils.errors import SemcoError

HELP = (
    "class folders: DIR/train/<class>/* and DIR/test/<class>/*, or just DIR/<class>/*; DIR/unlabelled/* if there is any"
)
NAME = None
SOURCE = "folder with the class folders"
LINKS = True
_PARTS = ("train", "test")
_UNLABELLED = "unlabelled"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    add_division_arguments(parser)


def read(values: argparse.Namespace) -> Contents:
    """List the images of the class folders.

    An image is called `<class>__<file>` in the dataset, so that equal file names of two classes stay apart.

    Raises:
        SemcoError: a folder is missing or empty.
    """
    folders = {folder.name: folder for folder in _folders(values.source)}
    unlabelled = folders.pop(_UNLABELLED, None)
    left_out: list[Path] = []
    # A folder of pictures of trains may well be called train: the division has folders within.
    if any(_folders(folders[part]) for part in _PARTS if part in folders):
        if "train" not in folders:
            raise SemcoError(
                f"{values.source / 'train'} does not exist, but test/ does: expected class folders train/<class>/"
            )
        found = {part: folders.pop(part) for part in _PARTS if part in folders}
        parts = {part: _read_classes(folder, _folders(folder), left_out) for part, folder in found.items()}
        if folders:
            warn(f"{values.source} holds {', '.join(folders)} beside train and test: not read")
    else:
        parts = {"train": _read_classes(values.source, list(folders.values()), left_out)}
    if values.test_fraction:
        if "test" in parts:
            raise SemcoError(f"{values.source} has a test part already: drop --test-fraction")
        parts["train"], parts["test"] = divide(parts["train"], share(values.test_fraction), seed=values.random_seed)
    if unlabelled:
        parts[_UNLABELLED] = [SourceImage(name, None, path) for name, path in _images(unlabelled, left_out)]
    if left_out:
        warn(f"{len(left_out)} files are left out, for Pillow opens no image of their suffix: {left_out[0]}, ...")
    return Contents(parts)


def _read_classes(folder: Path, class_folders: list[Path], left_out: list[Path]) -> list[SourceImage]:
    if not class_folders:
        raise SemcoError(f"{folder} holds no class folders: expected folders with images in them")
    images = []
    for class_folder in class_folders:
        found = _images(class_folder, left_out)
        if not found:
            raise SemcoError(f"{class_folder} holds no image: add some, or remove the class")
        images += [SourceImage(f"{class_folder.name}__{name}", class_folder.name, path) for name, path in found]
    return images


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path, left_out: list[Path]) -> list[tuple[str, Path]]:
    """The images at any depth, sorted, each with a name without `/`; other files are added to `left_out`."""
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    images = []
    for path in sorted(_walk(folder)):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts):
            continue
        if path.suffix.lower() in suffixes:
            images.append(("__".join(parts), path))
        else:
            left_out.append(path)
    return images


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, those behind links too; links to folders, which may lead in circles, are not followed."""

    def refuse(error: OSError) -> None:
        raise error

    for inner, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            entry = Path(inner, name)
            if not os.path.exists(entry):  # noqa: PTH110 (a link to itself makes Path.exists raise)
                raise SemcoError(f"{entry} is a link that leads nowhere: restore the image or remove the link")
            if entry.is_file():
                yield entry
