"""Class folders -> dataset folder: `train/<class>/*` and `test/<class>/*`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from loaders.prepare.writer import Parts, SourceImage
from utils.errors import SemcoError

HELP = "class folders: DIR/train/<class>/* and DIR/test/<class>/*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder with train/ and test/ in it")


def read(values: argparse.Namespace) -> Parts:
    """List the images of the class folders.

    An image is called `<class>__<file>` in the dataset, so that equal file names of two classes stay apart.

    Raises:
        SemcoError: a folder is missing or empty.
    """
    if not values.source.is_dir():
        raise SemcoError(f"--source {values.source} is no folder: check the path")
    parts = {part: _read_part(values.source / part) for part in ("train", "test")}
    known = {image.class_name for image in parts["train"]}
    if extra := sorted({str(image.class_name) for image in parts["test"]} - known):
        raise SemcoError(
            f"{values.source / 'test' / extra[0]} is a class that train/ lacks: add training images or remove it"
        )
    return parts


def _read_part(folder: Path) -> Sequence[SourceImage]:
    if not folder.is_dir():
        raise SemcoError(
            f"{folder} does not exist: expected class folders train/<class>/ and test/<class>/ in the source"
        )
    suffixes = set(Image.registered_extensions())
    images = []
    for class_folder in sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    ):
        files = sorted(path for path in class_folder.rglob("*") if path.is_file() and path.suffix.lower() in suffixes)
        if not files:
            raise SemcoError(f"{class_folder} holds no image: add some, or remove the class")
        for path in files:
            inner = "__".join(path.relative_to(class_folder).parts)
            images.append(SourceImage(f"{class_folder.name}__{inner}", class_folder.name, path))
    if not images:
        raise SemcoError(f"{folder} holds no class folders: expected {folder}/<class>/<image>")
    return images
