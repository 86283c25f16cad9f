"""Class folders -> dataset folder: `train/<class>/*` and `test/<class>/*`."""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from loaders.prepare.writer import Parts, SourceImage
from utils.command_line import path_argument
from utils.errors import SemcoError

HELP = "class folders: DIR/train/<class>/* and DIR/test/<class>/*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument(
        "--source", type=path_argument, required=True, metavar="DIR", help="folder with train/ and test/ in it"
    )


def read(values: argparse.Namespace) -> Parts:
    """List the images of the class folders.

    An image is called `<class>__<file>` in the dataset, so that equal file names of two classes stay apart.

    Raises:
        SemcoError: a folder is missing or empty.
    """
    try:
        if not values.source.is_dir():
            raise SemcoError(f"--source {values.source} is no folder: check the path")
        parts = {part: _read_part(values.source / part) for part in ("train", "test")}
    except OSError as error:
        raise SemcoError(f"--source: {error.filename} cannot be read: {error.strerror}") from error
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
        files = sorted(path for path in _walk(class_folder) if path.suffix.lower() in suffixes)
        if not files:
            raise SemcoError(f"{class_folder} holds no image: add some, or remove the class")
        for path in files:
            inner = "__".join(path.relative_to(class_folder).parts)
            images.append(SourceImage(f"{class_folder.name}__{inner}", class_folder.name, path))
    if not images:
        raise SemcoError(f"{folder} holds no class folders: expected {folder}/<class>/<image>")
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
